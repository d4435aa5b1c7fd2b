"""The folder of one Pipes session, which does not outlive a killed process for long."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dagster_project.process_identity import this_process, try_get_alive

# Stands between the owner and the rest of a folder's name.
_SEPARATOR = "~"


@contextmanager
def pipes_folder(project_dir: Path) -> Generator[Path]:
    """Make a folder that only this user can read, and remove it at the end.

    Its name says which process owns it, so that no moment exists at which it has no owner. What killed processes left
    behind is removed first; never by age.
    """
    parent = project_dir / ".state" / "pipes"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_orphans(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{this_process()}{_SEPARATOR}", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_private_file(path: Path, content: bytes = b"") -> None:
    """Write a new file that only this user can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _remove_orphans(parent: Path) -> None:
    for name in os.listdir(parent):
        owner, separator, _ = name.partition(_SEPARATOR)
        if separator and try_get_alive(owner) is False:
            # Another step may be at it, too.
            shutil.rmtree(parent / name, ignore_errors=True)
