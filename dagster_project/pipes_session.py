"""The two ends of our Pipes session: how the context goes out and how messages come in."""

import json
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_pipes import PipesContextData, PipesDefaultContextLoader, PipesDefaultMessageWriter, PipesParams

from dagster_project.pipes_folder import create_private_file
from dagster_project.redaction import Redactor

_POLL_SECONDS = 0.02
_READ_BYTES = 1 << 20


class KeyedContextInjector(dg.PipesContextInjector):
    """Injects the context with the keys of the manifest, however the translator renamed the assets."""

    def __init__(self, folder: Path, names: Mapping[str, str], asset: str) -> None:
        """Take the session's folder, the manifest's name for each (escaped) Dagster asset key, and that of the step."""
        self._path = folder / "context"
        self._names = names
        self._asset = asset

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Generator[PipesParams]:
        """Write the context to a file in the folder."""
        renamed: dict[str, Any] = dict(context_data)
        # A step of checks alone computes no asset, but reports about one.
        renamed["asset_keys"] = [self._name(key) for key in context_data["asset_keys"] or []] or [self._asset]
        for field in ("code_version_by_asset_key", "provenance_by_asset_key"):
            values: Mapping[str, Any] = renamed[field] or {}
            renamed[field] = {self._name(key): value for key, value in values.items()} or None
        create_private_file(self._path, json.dumps(renamed).encode())
        yield {PipesDefaultContextLoader.FILE_PATH_KEY: str(self._path)}

    def no_messages_debug_text(self) -> str:
        """Say where the context was put."""
        return f"Attempted to inject context via the file {self._path}."

    def _name(self, key: str) -> str:
        return self._names.get(key, key)


class StepMessageReader(dg.PipesMessageReader):
    """Reads messages from a file while they are written.

    Where Dagster's own reader stops for good at one broken line, this one counts it and reads on; it hides secrets,
    and keeps the exception with which the process closed.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        """Take the session's folder, and the redactor for all texts that arrive."""
        self._path = folder / "messages"
        self._redactor = redactor
        self.broken_lines: list[str] = []
        self.exception: Mapping[str, Any] | None = None

    @property
    def expected_writer_count(self) -> int:
        """One Node process writes; said here because asking the base class warns that the property is a preview."""
        return 1

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Generator[PipesParams]:
        """Read in a thread until the session ends, then to the end of the file."""
        ended = threading.Event()
        create_private_file(self._path)
        thread = threading.Thread(target=self._read, args=(handler, ended), name="pipes-messages", daemon=True)
        thread.start()
        try:
            yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(self._path)}
        finally:
            ended.set()
            thread.join()

    def no_messages_debug_text(self) -> str:
        """Say where messages were expected."""
        return f"Attempted to read messages from the file {self._path}."

    def _read(self, handler: dg.PipesMessageHandler, ended: threading.Event) -> None:
        held = b""
        with open(self._path, "rb") as file:
            while True:
                # Asked before reading: what was written before the end is then still read.
                last = ended.is_set()
                while data := file.read(_READ_BYTES):
                    *lines, held = (held + data).split(b"\n")
                    for line in lines:
                        self._handle(line, handler)
                if last:
                    break
                ended.wait(_POLL_SECONDS)
        if held:
            self._handle(held, handler)

    def _handle(self, line: bytes, handler: dg.PipesMessageHandler) -> None:
        try:
            message: Any = json.loads(line)
            if self._redactor.touches(line):
                message = {**message, "params": self._redactor.redact_tree(message["params"])}
            if message["method"] == "closed":
                params: Mapping[str, Any] = message["params"] or {}
                self.exception = params.get("exception")
            handler.handle_message(message)
        except Exception:
            self.broken_lines.append(self._redactor.redact(line[:200].decode(errors="replace")))
            handler.report_pipes_framework_exception("the reading of one message", sys.exc_info())  # pyright: ignore[reportArgumentType]
