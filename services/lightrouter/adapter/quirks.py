"""What an adapter has learnt of its provider: what it refuses, and how a request has to be put so that it is taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

PREFILL: Final = "prefill"
"""The feature of a request that ends with the assistant's turn, for the model to go on from."""
SYSTEM: Final = "system role"
"""The feature of a request with a system message."""
BOTH: Final = "top_p with temperature"
"""Stands for `top_p` in a request that has `temperature` too."""

# Extra attempts that one call may make to find out how its request has to be put.
_MOST_TRIES: Final = 7
_MOST_SINGLE_GUESSES: Final = 5
# One reply that starts anew may be chance.
_IGNORED_IN_A_ROW: Final = 2
# Single values that are remembered as refused; callers choose them. The oldest is forgotten first.
_MOST_VALUES: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a request has to be put so that one provider takes it."""

    refused: frozenset[str] = frozenset()
    """Members that are left away: `seed`, one value only as `temperature=0.0`, or `BOTH`."""
    other_max_tokens: bool = False
    """Whether the token limit goes by the other of its two names."""
    least_tokens: int = 0
    """The least token limit that is taken."""
    most_tokens: int | None = None
    """The largest token limit that is taken; None where none is known."""
    merges_system: bool = False
    """Whether the system message is put before the first user message, within it."""
    merges_turns: bool = False
    """Whether turns strictly alternate: those of one role in a row are one, empty ones are left out."""
    writes_anew: bool = False
    """Whether the model cannot go on from the assistant's turn, so that the text is written anew."""

    def __or__(self, other: Quirks) -> Quirks:
        """Returns what keeps to both."""
        limits = [limit for limit in (self.most_tokens, other.most_tokens) if limit is not None]
        return Quirks(
            refused=self.refused | other.refused,
            other_max_tokens=self.other_max_tokens or other.other_max_tokens,
            least_tokens=max(self.least_tokens, other.least_tokens),
            most_tokens=min(limits, default=None),
            merges_system=self.merges_system or other.merges_system,
            merges_turns=self.merges_turns or other.merges_turns,
            writes_anew=self.writes_anew or other.writes_anew,
        )

    def leaves_out(self, name: str, value: object) -> bool:
        """Returns whether the member `name` of a request, with this value, is left away."""
        return name in self.refused or one_value(name, value) in self.refused

    def described(self) -> list[str]:
        """Returns what the provider refuses, sorted, in the words of the contract's `refuses`."""
        said = set(self.refused)
        said |= {PREFILL} if self.writes_anew else set()
        said |= {SYSTEM} if self.merges_system else set()
        said |= {"turns that do not alternate"} if self.merges_turns else set()
        said |= {"the entry's max_tokens_field"} if self.other_max_tokens else set()
        said |= {f"fewer than {self.least_tokens} tokens"} if self.least_tokens else set()
        said |= {f"more than {self.most_tokens} tokens"} if self.most_tokens is not None else set()
        return sorted(said)


NO_QUIRKS: Final = Quirks()
"""A provider that takes every request as it is."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to put a refused request so that it may be taken."""

    feature: str
    """What of the request is thought to be refused."""
    quirks: Quirks
    """How to put the request."""
    named: bool = False
    """Whether the provider named the feature; else it is a guess."""


def one_value(name: str, value: object) -> str:
    """Returns what stands for one value of a member that a provider refuses, while it takes others."""
    return f"{name}={value}"


class LearnedQuirks:
    """What is known of one candidate's provider. Only a request that was taken teaches."""

    def __init__(self, candidate: str) -> None:
        """Knows nothing yet of the provider of `candidate`."""
        self._candidate = candidate
        self._taken: set[str] = set()
        self._ignored = 0
        self._values: list[str] = []
        self.quirks = NO_QUIRKS
        """How requests have to be put."""

    def knows_taken(self, feature: str) -> bool:
        """Returns whether the provider has taken a request with this feature."""
        return feature in self._taken

    def taken(self, features: frozenset[str], remedies: list[Remedy]) -> None:
        """Takes that a request with `features` was taken, once `remedies` had been applied to it."""
        for remedy in remedies:
            if remedy.named or not self.knows_taken(remedy.feature):
                self._learn(remedy.quirks)
        self._taken |= features

    def prefill_ignored(self, ignored: bool) -> None:
        """Takes whether a reply to a prefill began anew instead of going on."""
        self._ignored = self._ignored + 1 if ignored else 0
        if self._ignored >= _IGNORED_IN_A_ROW:
            self._learn(Quirks(writes_anew=True))

    def _learn(self, quirks: Quirks) -> None:
        known = set(self.quirks.described())
        self._values += [name for name in quirks.refused - set(self._values) if "=" in name]
        forgotten = set(self._values[:-_MOST_VALUES])
        self._values = self._values[-_MOST_VALUES:]
        self.quirks |= quirks
        self.quirks = replace(self.quirks, refused=self.quirks.refused - forgotten)
        if new := [word for word in self.quirks.described() if word not in known]:
            _log.warning("the provider of %s refuses: %s; from now on requests are put so", self._candidate, new)


class QuirkTrials:
    """The ways in which one call's request is put, one after the other, until the provider takes it."""

    def __init__(self, learned: LearnedQuirks, change: Callable[[Quirks], None]) -> None:
        """Begins with what is known; `change` is told how the request is put from now on."""
        self._learnt = learned
        self._change = change
        self._base = learned.quirks
        self._applied: list[Remedy] = []
        self._guess: list[Remedy] = []
        self._guesses: list[list[Remedy]] | None = None
        self._tried = 0

    def try_next(self, remedies: tuple[Remedy, ...]) -> bool:
        """Puts the request in the next way; returns False where none is left.

        What a provider names is changed for good; of guesses, each is tried on its own, then all at once.
        """
        if self._tried >= _MOST_TRIES:
            return False
        named = next((remedy for remedy in remedies if remedy.named), None)
        if named:
            # The refusal has changed: a guess before it was right.
            self._applied += [*self._guess, named]
            self._guess = []
        else:
            if self._guesses is None:
                suspects = [each for each in remedies if self._is_suspect(each)]
                self._guesses = [[each] for each in suspects[:_MOST_SINGLE_GUESSES]]
                self._guesses += [suspects] if len(suspects) > 1 else []
            if not self._guesses:
                return False
            self._guess = self._guesses.pop(0)
        self._tried += 1
        quirks = self._base
        for remedy in self._remedies():
            quirks |= remedy.quirks
        self._change(quirks)
        return True

    def taken(self, features: frozenset[str]) -> None:
        """Remembers what made the provider take the request, which had `features`."""
        self._learnt.taken(features, self._remedies())

    def _remedies(self) -> list[Remedy]:
        return [*self._applied, *self._guess]

    def _is_suspect(self, guess: Remedy) -> bool:
        # A text that has been written is not given up for a refusal whose cause nobody knows.
        return guess.feature == PREFILL or not self._learnt.knows_taken(guess.feature)
