"""Run one step: start Node, watch it, and believe only a step that says everything it must."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from dagster_project.extras import build_extras
from dagster_project.manifest import ManifestAsset
from dagster_project.node_process import Ending, NodeProgram, Pumps, start_node
from dagster_project.pipes_folder import pipes_folder
from dagster_project.pipes_session import KeyedContextInjector, StepMessageReader
from dagster_project.redaction import Redactor, find_secrets
from dagster_project.report import StderrTail, StepReport
from dagster_project.selection import StepSelection
from dagster_project.supervision import current_supervision

StepResult = dg.MaterializeResult[None] | dg.AssetCheckResult


TRANSIENT_RETRY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""After 5, 10 and 20 seconds."""


@dataclass(frozen=True)
class NodeLauncher(NodeProgram):
    """Starts ``node runtime/main.ts <asset>`` for a step, without a shell.

    Args:
        transient_retry: How a step is tried again that failed by what may pass, such as a lost connection, where the
            asset has no ``retry``; ``None``: not at all.
    """

    entry: Sequence[str] = ("runtime/main.ts",)
    transient_retry: dg.RetryPolicy | None = TRANSIENT_RETRY

    def launch(self, context: dg.AssetExecutionContext, asset: ManifestAsset) -> Iterator[StepResult]:
        """Materialize one asset, or check its table alone, and yield what was reported once Node has ended well.

        Raises:
            dagster.Failure: if the publish was refused, or anything is missing; the message says what.
            dagster.RetryRequested: if what failed may pass.
        """
        environment = self.variables()
        redactor = Redactor(find_secrets(environment))
        supervision = current_supervision()
        supervision.claim_logs()
        selection = StepSelection.of(context)
        names = {selection.asset_key.to_escaped_user_string(): asset.name}
        wake = threading.Event()
        tail = StderrTail()
        with (
            supervision.watch(wake.set),
            pipes_folder(self.project_dir) as folder,
            dg.open_pipes_session(
                context,
                context_injector=KeyedContextInjector(folder, names, asset.name),
                message_reader=(reader := StepMessageReader(folder, redactor)),
                extras=build_extras(context, selection, asset),
            ) as session,
        ):
            if supervision.interrupted:
                raise dg.DagsterExecutionInterruptedError("the run was interrupted")
            command = self.command(asset.name)
            process = start_node(command, self.project_dir, {**environment, **session.get_bootstrap_env_vars()})
            ending = Ending(process, asset.timeout_seconds, self.grace_seconds)
            with Pumps(process, redactor, supervision, tail):
                ending.wait(wake, supervision, context.log.warning)
        report = StepReport(asset, context, selection, session, reader, tail, ending, self.transient_retry)
        yield from report.results()
