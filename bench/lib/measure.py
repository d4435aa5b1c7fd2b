"""Run a command and write what it took to file descriptor 3: wall time, and the memory of its largest process.

The kernel counts the memory, so that no short peak is missed: ``ru_maxrss`` of the command and of all that it waited
for. The command is killed, with its group, when standard input ends: it never outlives the bench.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def main() -> None:
    """Run the command given as arguments."""
    start = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_kill_when_alone, args=(child.pid,), daemon=True).start()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    # Kilobytes; bytes on macOS.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu = usage.ru_utime + usage.ru_stime
    result = {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "cpuS": cpu, "peakMb": peak / 1_000_000}
    os.write(3, json.dumps(result).encode())


def _kill_when_alone(group: int) -> None:
    while os.read(0, 1024):
        pass
    os.killpg(group, signal.SIGKILL)


main()
