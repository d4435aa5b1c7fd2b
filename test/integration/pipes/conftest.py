"""A real Dagster step around a Node process, and what came of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import dagster as dg
import pytest
from dagster import (
    PipesContextInjector,
    PipesMessageReader,
    PipesTempFileContextInjector,
    PipesTempFileMessageReader,
    open_pipes_session,
)
from dagster._core.pipes import utils as pipes_utils
from dagster._core.pipes.context import PipesMessageHandler
from dagster._core.pipes.utils import PipesBlobStoreMessageReader
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[3]
NODE = ROOT / "node_modules" / ".bin" / "node"
PROGRAMS = Path(__file__).parent / "programs"
HANG_SECONDS = 90


@dataclass
class Outcome:
    """What Dagster saw of one step."""

    returncode: int | None = None
    stdout: str = ""
    stderr: str = ""
    opened: bool = False
    closed: bool = False
    custom_messages: list[Any] = field(default_factory=list[Any])
    results: list[Any] = field(default_factory=list[Any])
    reader_errors: list[str] = field(default_factory=list[str])
    closing_error: dict[str, Any] | None = None


RunStep = Callable[..., Outcome]


class S3Injector(PipesContextInjector):
    """Puts the context where the S3 injector of dagster-aws puts it."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @contextmanager
    def inject_context(self, context_data: Any) -> Generator[Mapping[str, Any]]:
        key = f"context-{uuid4()}"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(context_data).encode(), ACL="public-read")
        yield {"bucket": self._bucket, "key": key}

    def no_messages_debug_text(self) -> str:
        return "S3"


class S3Reader(PipesBlobStoreMessageReader):
    """Takes chunks from where the S3 reader of dagster-aws takes them."""

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(interval=0)
        self._client = client
        self._bucket = bucket

    def messages_are_readable(self, params: Mapping[str, Any]) -> bool:
        return True

    @contextmanager
    def get_params(self) -> Generator[Mapping[str, Any]]:
        yield {"bucket": self._bucket, "key_prefix": f"messages-{uuid4()}"}

    def download_messages_chunk(self, index: int, params: Mapping[str, Any]) -> str | None:
        try:
            chunk = self._client.get_object(Bucket=self._bucket, Key=f"{params['key_prefix']}/{index}.json")
        except self._client.exceptions.NoSuchKey:
            return None
        return str(chunk["Body"].read().decode())

    def no_messages_debug_text(self) -> str:
        return "S3"


class StreamReader(PipesMessageReader):
    """Takes messages from the captured standard streams, as readers of container logs do."""

    def __init__(self, key: str, stream: str) -> None:
        self._params = {key: stream}
        self.stream = stream
        self.handler: PipesMessageHandler | None = None
        self.other_lines: list[str] = []

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Generator[Mapping[str, Any]]:
        self.handler = handler
        yield self._params

    def feed(self, text: str) -> None:
        assert self.handler is not None
        # Log collectors split at everything that Unicode calls a line end.
        for line in text.splitlines():
            try:
                message = json.loads(line)
            except json.JSONDecodeError:
                self.other_lines.append(line)
                continue
            self.handler.handle_message(message)

    def no_messages_debug_text(self) -> str:
        return "standard streams"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3(s3_endpoint: str) -> Any:
    client: Any = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    # The client under test signs nothing: pipes leaves that to whoever brings the client.
    client.create_bucket(Bucket="pipes", ACL="public-read-write")
    return client


@pytest.fixture
def run_step(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> RunStep:
    # The threaded readers look once a second; the protocol is the same at twenty times a second.
    monkeypatch.setattr(pipes_utils, "DEFAULT_SLEEP_INTERVAL", 0.05)
    monkeypatch.setattr(pipes_utils, "tail_file", whole_lines)

    def run(
        program: str,
        scenario: Any = None,
        *,
        injector: PipesContextInjector | None = None,
        reader: PipesMessageReader | None = None,
        extras: Mapping[str, Any] | None = None,
        by_arguments: bool = False,
        asset_key: tuple[str, ...] = ("orders",),
        on_started: Callable[[subprocess.Popen[str]], None] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> Outcome:
        outcome = Outcome()
        environment = dict(os.environ)
        if "s3_endpoint" in request.fixturenames:
            environment["TEST_S3_ENDPOINT"] = request.getfixturevalue("s3_endpoint")

        @dg.asset(key=list(asset_key))
        def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
            message_reader = reader or PipesTempFileMessageReader()
            with open_pipes_session(
                context, injector or PipesTempFileContextInjector(), message_reader, extras=dict(extras or {})
            ) as session:
                arguments = [str(NODE), str(PROGRAMS / program), json.dumps(scenario)]
                if by_arguments:
                    for name, value in session.get_bootstrap_cli_arguments().items():
                        arguments += [name, value]
                else:
                    environment.update(session.get_bootstrap_env_vars())
                process = subprocess.Popen(
                    arguments,
                    env=environment,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                )
                if on_started is not None:
                    on_started(process)
                outcome.stdout, outcome.stderr = process.communicate(timeout=HANG_SECONDS)
                outcome.returncode = process.returncode
                if isinstance(message_reader, StreamReader):
                    message_reader.feed(getattr(outcome, message_reader.stream))
            handler = session.message_handler
            outcome.opened = handler.received_opened_message
            outcome.closed = handler.received_closed_message
            outcome.custom_messages = list(session.get_custom_messages())
            outcome.results = list(session.get_results(implicit_materializations=False))
            # What a launcher makes of the outcome is not tested here, so the step itself always succeeds.
            yield dg.MaterializeResult()

        instance = dg.DagsterInstance.ephemeral()
        result = dg.materialize([step], instance=instance)
        for entry in instance.all_logs(result.run_id):
            event = entry.dagster_event
            error: Any = event and getattr(event.event_specific_data, "error", None)
            if event is None or error is None:
                continue
            if "closed with exception" in (event.message or ""):
                outcome.closing_error = error_tree(error)
            else:
                outcome.reader_errors.append(error.to_string())
        return outcome

    _ = capfd
    return run


def whole_lines(path: str, should_stop: Callable[[], bool]) -> Iterator[str]:
    """Do what Dagster's `tail_file` does, but wait for the rest of a line that is still being written.

    Dagster's takes what it sees at the end of the file for a line (docs/adr/0007): seldom, but then for good.
    """
    held = ""
    with open(path, encoding="utf-8") as file:
        while True:
            stops = should_stop()
            while part := file.readline():
                held += part
                if held.endswith("\n"):
                    yield held
                    held = ""
            if stops:
                break
            time.sleep(0.01)
    if held:
        yield held


def error_tree(error: Any) -> dict[str, Any]:
    return {
        "name": error.cls_name,
        "message": error.message,
        "stack": list(error.stack),
        "cause": error_tree(error.cause) if error.cause else None,
        "context": error_tree(error.context) if error.context else None,
    }
