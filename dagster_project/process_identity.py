"""Which process something belongs to, told apart from every other one on any machine and at any time.

``resources/process_identity.ts`` goes by the same rules: host, boot, PID namespace, PID and start, joined by dots and
fit for a file name.
"""

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path


def this_process() -> str:
    """Return the identity of this process."""
    return ".".join((*_this_machine(), str(os.getpid()), _try_get_start(os.getpid()) or ""))


def try_get_alive(identity: str) -> bool | None:
    """Whether the process runs; ``None`` where nobody here can tell: on another machine, or no identity at all."""
    parts = identity.split(".")
    here = _this_machine()
    if len(parts) != 5 or parts[0] != here[0] or not parts[3].isdecimal():
        return None
    # The same host after a restart: nothing from before it lives.
    if parts[1] != here[1]:
        return False
    if parts[2] != here[2]:
        return None
    return _try_get_start(int(parts[3])) == parts[4]


def _this_machine() -> tuple[str, str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = namespace = ""
    return _digest(socket.gethostname()), _digest(boot), _digest(namespace)


def _try_get_start(pid: int) -> str | None:
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return None
        # proc_pid_stat(5): the 22nd field; the 2nd may hold spaces and parentheses, so count from the last ")".
        state, *rest = stat[stat.rindex(")") + 2 :].split()
        # A zombie holds nothing open any more.
        return None if state == "Z" else rest[18]
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return _digest(listed.stdout.strip()) if listed.stdout.strip() else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
