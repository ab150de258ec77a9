"""Pages of the pool, for callers that list it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.runtime.errors import invalid
from lightrouter.v1.candidate_pb2 import Candidate


class Page(NamedTuple):
    """A page of the pool, and the token of the page behind it; empty after the last one."""

    candidates: Sequence[Candidate]
    next_token: str


def page_of(pool: Sequence[Candidate], size: int, token: str) -> Page:
    """Returns the page of the pool that `token` names: at most `size` candidates, all of them for size 0.

    A token is the name of the candidate before the page, so that a change of the pool shifts no page.

    Raises:
        ServiceError: INVALID_ARGUMENT: the pool no longer has that candidate.
    """
    begin = 0
    if token:
        names = [candidate.name for candidate in pool]
        if token not in names:
            raise invalid("page_token", "the pool has changed; begin again without a token")
        begin = names.index(token) + 1
    end = begin + size if size else len(pool)
    candidates = pool[begin:end]
    return Page(candidates, candidates[-1].name if candidates and end < len(pool) else "")
