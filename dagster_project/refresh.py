"""Keep the manifest in step with its sources while people develop."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dagster_project.manifest import MANIFEST_FILE, Manifest, ManifestError, read_manifest
from dagster_project.node import find_node

SOURCE_FOLDERS = ("assets", "sql")
SOURCE_SUFFIXES = (".ts", ".sql")
BUILD_TIMEOUT_SECONDS = 120


def source_digest(project_dir: Path) -> str:
    """Hash the sources that a manifest is made from, exactly as ``runtime/manifest.ts`` does."""
    digest = hashlib.sha256()
    if warehouse := os.environ.get("WAREHOUSE"):
        digest.update(f"WAREHOUSE\0{warehouse}\n".encode())
    for path, file in sorted(_sources(project_dir)):
        digest.update(path + b"\0" + hashlib.sha256(file.read_bytes()).hexdigest().encode() + b"\n")
    return digest.hexdigest()


def _sources(project_dir: Path) -> Iterator[tuple[bytes, Path]]:
    for folder in SOURCE_FOLDERS:
        for directory, _, names in os.walk(project_dir / folder):
            for name in names:
                if name.endswith(SOURCE_SUFFIXES):
                    file = Path(directory) / name
                    yield file.relative_to(project_dir).as_posix().encode(), file


def is_development() -> bool:
    """Whether Dagster runs from ``dagster dev`` or ``dg dev``, where sources change under it."""
    return bool(os.environ.get("DAGSTER_IS_DEV_CLI"))


def load_manifest(project_dir: Path) -> Manifest:
    """Read the manifest of a project; in development, or if there is none, build it first when its sources changed.

    A manifest that exists is never rebuilt in production, nor by the processes that run steps.

    Raises:
        ManifestError: if it cannot be built or read.
    """
    path = project_dir / MANIFEST_FILE
    if not path.exists() or (is_development() and _is_stale(path, project_dir)):
        build_manifest(project_dir)
    return read_manifest(path)


def _is_stale(path: Path, project_dir: Path) -> bool:
    try:
        return read_manifest(path).source_digest != source_digest(project_dir)
    except ManifestError:
        return True


def build_manifest(project_dir: Path) -> None:
    """Run ``node runtime/manifest.ts``, which writes the manifest even when declarations have faults.

    Raises:
        ManifestError: if it wrote none.
    """
    path = project_dir / MANIFEST_FILE
    before = _identity(path)
    command = [str(find_node(project_dir)), "runtime/manifest.ts"]
    try:
        result = subprocess.run(
            command,
            cwd=project_dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ManifestError(f"`{' '.join(command)}` did not end within {BUILD_TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise ManifestError(f"`{' '.join(command)}` could not be started: {error}") from error
    if result.returncode != 0 and _identity(path) == before:
        tail = "\n".join(result.stderr.splitlines()[-20:])
        raise ManifestError(f"`{' '.join(command)}` ended with exit code {result.returncode}:\n{tail}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
