"""Run one step: start Node, watch it, and believe only a step that says everything it must."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from dagster_project.extras import build_extras
from dagster_project.manifest import ManifestAsset
from dagster_project.node import find_node
from dagster_project.node_process import Ending, Pumps, start_node
from dagster_project.pipes_folder import pipes_folder
from dagster_project.pipes_session import KeyedContextInjector, StepMessageReader
from dagster_project.redaction import Redactor, find_secrets
from dagster_project.report import StderrTail, StepReport
from dagster_project.supervision import current_supervision

StepResult = dg.MaterializeResult[None] | dg.AssetCheckResult


@dataclass(frozen=True)
class NodeLauncher:
    """Starts ``node runtime/main.ts <asset>`` for a step, without a shell.

    Args:
        project_dir: The project of the assets; the working directory of Node.
        entry: The script and what stands before the asset's name.
        node: The Node to use; by default the one that the project pins.
        grace_seconds: How long Node may take to end by itself, once asked, before its process group is killed.
        environment: Variables to add to those of this process.
    """

    project_dir: Path
    entry: Sequence[str] = ("runtime/main.ts",)
    node: Path | None = None
    grace_seconds: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def launch(self, context: dg.AssetExecutionContext, asset: ManifestAsset) -> Iterator[StepResult]:
        """Materialize one asset and yield what it reported, once Node has ended well.

        Raises:
            dagster.Failure: if the publish was refused, or anything is missing; the message says what.
        """
        environment = {
            **os.environ,
            "NODE_COMPILE_CACHE": str(self.project_dir / ".state" / "compile_cache"),
            **self.environment,
        }
        redactor = Redactor(find_secrets(environment))
        supervision = current_supervision()
        supervision.claim_logs()
        names = {context.asset_key.to_escaped_user_string(): asset.name}
        wake = threading.Event()
        tail = StderrTail()
        with (
            supervision.watch(wake.set),
            pipes_folder(self.project_dir) as folder,
            dg.open_pipes_session(
                context,
                context_injector=KeyedContextInjector(folder, names),
                message_reader=(reader := StepMessageReader(folder, redactor)),
                extras=build_extras(context, asset.each),
            ) as session,
        ):
            if supervision.interrupted:
                raise dg.DagsterExecutionInterruptedError("the run was interrupted")
            command = [str(self.node or find_node(self.project_dir)), *self.entry, asset.name]
            process = start_node(command, self.project_dir, {**environment, **session.get_bootstrap_env_vars()})
            ending = Ending(process, asset.timeout_seconds, self.grace_seconds)
            with Pumps(process, redactor, supervision, tail):
                ending.wait(wake, supervision, context.log.warning)
        report = StepReport(asset, context, session, reader, tail, ending)
        yield from report.results()
