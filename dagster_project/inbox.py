"""What other threads tell the main thread, which hears signals meanwhile."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """A queue of any number of threads, for one that takes.

    ``SimpleQueue.get`` with a timeout waits for ever when a signal comes as its time runs out (CPython 3.11): a run
    would not hear that it was interrupted. ``Queue`` could be left locked by an exception that is raised in a thread
    that puts.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._items: deque[Item] = deque()
        self._news = threading.Lock()
        self._news.acquire()

    def put(self, item: Item) -> None:
        """Add an item and wake who takes."""
        self._items.append(item)
        # Released already: nobody has looked since.
        with contextlib.suppress(RuntimeError):
            self._news.release()

    def take(self, timeout: float) -> Iterator[Item]:
        """Yield all there is; wait at most so many seconds for a first one."""
        if not self._items:
            self._news.acquire(timeout=timeout)
        while self._items:
            yield self._items.popleft()
