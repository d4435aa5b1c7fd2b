"""What other threads tell the main thread."""

import subprocess
import sys
import threading

from dagster_project.inbox import Inbox

# Signals come at any moment of a wait, and another thread holds the interpreter while they do.
INTERRUPTED = """
import os, signal, sys, threading, time
from dagster_project.inbox import Inbox

signal.signal(signal.SIGINT, lambda *_: None)
inbox = Inbox()

def send():
    while True:
        time.sleep(0.0007)
        os.kill(os.getpid(), signal.SIGINT)

def compute():
    while True:
        sum(range(2000))

for act in (send, compute):
    threading.Thread(target=act, daemon=True).start()
for _ in range(200):
    assert list(inbox.take(0.005)) == []
# The threads end with the process.
os._exit(0)
"""


def test_a_wait_ends_at_its_time_whenever_signals_come() -> None:
    assert subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=60, check=False).returncode == 0


def test_what_many_threads_put_is_taken_once_and_in_the_order_of_each() -> None:
    inbox: Inbox[tuple[int, int]] = Inbox()

    def put(thread: int) -> None:
        for number in range(1000):
            inbox.put((thread, number))

    threads = [threading.Thread(target=put, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    taken: list[tuple[int, int]] = []
    while len(taken) < 4000:
        taken.extend(inbox.take(10))
    assert all([number for of, number in taken if of == thread] == list(range(1000)) for thread in range(4))
    assert list(inbox.take(0.01)) == []
