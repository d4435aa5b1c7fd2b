"""The folder of a Pipes session is private, says whose it is, and goes when its owner has gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.pipes_folder import create_private_file, pipes_folder
from dagster_project.process_identity import this_process, try_get_alive

LEAVE_A_FOLDER = """
import os, pathlib, sys
from dagster_project.pipes_folder import create_private_file, pipes_folder
with pipes_folder(pathlib.Path(sys.argv[1])) as folder:
    create_private_file(folder / "messages")
    os.kill(os.getpid(), 9)
"""
PARTS = ["host", "boot", "namespace", "pid", "start"]


def changed(identity: str, part: str, value: str) -> str:
    parts = identity.split(".")
    parts[PARTS.index(part)] = value
    return ".".join(parts)


def left_folders(project: Path) -> list[str]:
    return sorted(path.name for path in (project / ".state" / "pipes").iterdir())


def test_only_its_user_can_read_it_and_it_goes_with_its_session(tmp_path: Path) -> None:
    with pipes_folder(tmp_path) as folder:
        create_private_file(folder / "messages", b"content")
        assert folder.parent == tmp_path / ".state" / "pipes"
        assert folder.name.startswith(f"{this_process()}~")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "messages").stat().st_mode & 0o777 == 0o600
        assert (folder / "messages").read_bytes() == b"content"
    assert left_folders(tmp_path) == []


def test_the_folder_of_a_killed_process_goes_when_the_next_session_starts(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", LEAVE_A_FOLDER, str(tmp_path)], check=False, cwd=Path(__file__).parents[3])
    (left,) = left_folders(tmp_path)
    assert try_get_alive(left.partition("~")[0]) is False
    with pipes_folder(tmp_path) as folder:
        assert left_folders(tmp_path) == [folder.name]


@pytest.mark.parametrize(
    ("part", "value", "stays"),
    [
        ("host", "00000000", True),
        ("boot", "00000000", False),
        ("namespace", "00000000", True),
        ("start", "1", False),
        ("pid", "not-a-pid", True),
    ],
)
def test_only_what_surely_has_no_owner_is_removed(tmp_path: Path, part: str, value: str, stays: bool) -> None:
    name = f"{changed(this_process(), part, value)}~x"
    with pipes_folder(tmp_path) as folder:
        (folder.parent / name).mkdir()
        with pipes_folder(tmp_path):
            assert (folder.parent / name).exists() == stays
            assert folder.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes", "a.b~c", f"{changed(this_process(), 'start', '1')}"):
        (tmp_path / ".state" / "pipes" / name).mkdir(parents=True)
    with pipes_folder(tmp_path):
        pass
    assert len(left_folders(tmp_path)) == 3


def test_both_languages_know_a_process_by_the_same_name() -> None:
    root = Path(__file__).parents[3]
    script = "import { tryGetAlive } from './resources/process_identity.ts'; console.log(tryGetAlive(process.argv[1]));"
    ended = subprocess.run(
        [root / "node_modules/.bin/node", "--input-type=module", "-e", script, this_process()],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "true\n"
