"""Workers that note where work runs."""

from __future__ import annotations

import threading
from typing import TypeVar

from lightrouter.answers.pieces import Pieces, Workers

Result = TypeVar("Result")


class NotedWorkers(Workers):
    """Workers with the thread of each piece.

    Attributes:
        threads: For each work, the threads of its pieces.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[list[int]] = []

    async def run(self, pieces: Pieces[Result]) -> Result:
        """Runs and notes the work."""
        threads: list[int] = []
        self.threads.append(threads)
        return await super().run(_noted(pieces, threads))

    def long(self) -> int:
        """Returns the number of works with more than one piece, of which only the first may run in this thread."""
        rests = [threads[1:] for threads in self.threads if len(threads) > 1]
        assert not any(threading.get_ident() in rest for rest in rests)
        return len(rests)


def _noted(pieces: Pieces[Result], threads: list[int]) -> Pieces[Result]:
    while True:
        threads.append(threading.get_ident())
        try:
            size = next(pieces)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield size
