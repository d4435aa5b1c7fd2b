"""Where the Node that runs the TypeScript assets is found."""

import shutil
from pathlib import Path


def find_node(project_dir: Path) -> Path:
    """Return the Node that the project pins, else the one on the path.

    Raises:
        FileNotFoundError: if there is neither.
    """
    pinned = project_dir / "node_modules" / ".bin" / "node"
    if pinned.exists():
        return pinned
    found = shutil.which("node")
    if found is None:
        raise FileNotFoundError(f"no Node: neither {pinned} nor `node` on the PATH; run the project's set-up first")
    return Path(found)
