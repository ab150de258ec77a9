"""The quirks of a provider: what it refuses, and how a request must be put so that it accepts it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

PREFILL: Final = "prefill"
"""The feature of a request that ends with a turn of the assistant, from which the model goes on."""
SYSTEM: Final = "system role"
"""The feature of a request with a system message."""
REASONING: Final = "reasoning_content"
"""The hidden reasoning that DeepSeek and Kimi want with a tool call."""
SIGNATURE: Final = "thought_signature"
"""The signature that Gemini wants with a tool call."""
WITHOUT: Final = "tool calls without "
"""Stands before what a provider wants with each tool call."""
BOTH: Final = "top_p with temperature"
"""Stands for `top_p` in a request that has `temperature` too."""
ONE_PIECE: Final = "answers in one piece"
"""The feature of a request whose answer is no stream."""

_TURNS: Final = "turns that do not alternate"

# Choices: the extra attempts of one call that looks for an accepted form of its request, and the guesses among them.
_MOST_TRIES: Final = 7
_MOST_SINGLE_GUESSES: Final = 5
# A choice: one reply that starts anew, or does not show that it goes on, may be chance.
_IGNORED_IN_A_ROW: Final = 2
# A choice: the single values that are remembered as refused. Callers choose values; the oldest is forgotten first.
_MOST_VALUES: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quirks:
    """The form that a request must have so that one provider accepts it."""

    refused: frozenset[str] = frozenset()
    """Members to leave out: a name as `seed`, one value as `temperature=0.0`, or `BOTH`."""
    other_max_tokens: bool = False
    """Whether the token limit has the other of its two names; see `refusals.MAX_TOKENS`."""
    least_tokens: int = 0
    """The smallest token limit that the provider accepts."""
    most_tokens: int | None = None
    """The largest token limit that the provider accepts; None if unknown."""
    merges_system: bool = False
    """Whether the system message goes into the first user message, at its start."""
    merges_turns: bool = False
    """Whether turns strictly alternate: consecutive turns of one role are joined, empty ones left out."""
    refuses_prefill: bool = False
    """Whether the model cannot go on from a prefill, so that it writes the text anew."""
    must_stream: bool = False
    """Whether the provider gives answers only as streams."""
    fills: frozenset[str] = frozenset()
    """What a tool call gets a stand-in for if its author's state is not there: `REASONING` or `SIGNATURE`."""

    def __or__(self, other: Quirks) -> Quirks:
        """Returns the quirks that satisfy both."""
        limits = [limit for limit in (self.most_tokens, other.most_tokens) if limit is not None]
        return Quirks(
            refused=self.refused | other.refused,
            other_max_tokens=self.other_max_tokens or other.other_max_tokens,
            least_tokens=max(self.least_tokens, other.least_tokens),
            most_tokens=min(limits, default=None),
            merges_system=self.merges_system or other.merges_system,
            merges_turns=self.merges_turns or other.merges_turns,
            refuses_prefill=self.refuses_prefill or other.refuses_prefill,
            must_stream=self.must_stream or other.must_stream,
            fills=self.fills | other.fills,
        )

    @classmethod
    def stated(cls, refuses: Iterable[str]) -> Self:
        """Returns the quirks that a pool entry states, in the words of `described`."""
        words = frozenset(refuses)
        fills = {name for name in (REASONING, SIGNATURE) if f"{WITHOUT}{name}" in words}
        others = {PREFILL, SYSTEM, _TURNS, ONE_PIECE, *(f"{WITHOUT}{name}" for name in fills)}
        return cls(
            fills=frozenset(fills),
            refused=words - others,
            merges_system=SYSTEM in words,
            merges_turns=_TURNS in words,
            refuses_prefill=PREFILL in words,
            must_stream=ONE_PIECE in words,
        )

    def leaves_out(self, name: str, value: object) -> bool:
        """Returns whether a request leaves out the member `name` with this value."""
        return name in self.refused or one_value(name, value) in self.refused

    def described(self) -> list[str]:
        """Returns what the provider refuses, sorted, as `Candidate.refuses` in candidate.proto states it."""
        said = set(self.refused)
        said |= {PREFILL} if self.refuses_prefill else set()
        said |= {SYSTEM} if self.merges_system else set()
        said |= {f"{WITHOUT}{name}" for name in self.fills}
        said |= {_TURNS} if self.merges_turns else set()
        said |= {ONE_PIECE} if self.must_stream else set()
        said |= {"the entry's max_tokens_field"} if self.other_max_tokens else set()
        said |= {f"fewer than {self.least_tokens} tokens"} if self.least_tokens else set()
        said |= {f"more than {self.most_tokens} tokens"} if self.most_tokens is not None else set()
        return sorted(said)


NO_QUIRKS: Final = Quirks()
"""The quirks of a provider that accepts every request."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change of a refused request after which the provider may accept it."""

    feature: str
    """The feature of the request that the provider seems to refuse."""
    quirks: Quirks
    """The quirks that avoid the feature."""
    named: bool = False
    """Whether the provider named the feature; if not, it is a guess."""
    once: bool = False
    """Whether it helps this call and teaches nothing."""


def one_value(name: str, value: object) -> str:
    """Returns the word for one refused value of a member of which the provider accepts other values."""
    return f"{name}={value}"


class LearnedQuirks:
    """The known quirks of one candidate's provider. Only accepted requests teach."""

    def __init__(self, candidate: str, known: Quirks = NO_QUIRKS) -> None:
        """Begins with what is known of the provider of `candidate`."""
        self._candidate = candidate
        self._accepted: set[str] = set()
        self._ignored = 0
        self._values: list[str] = []
        self.quirks = known
        """The known quirks."""
        self.continues_prefills = False
        """Whether the last reply that shows what the provider does with a prefill has continued it."""
        self.begins_blank = False
        """Whether a text of the provider without a prefill has begun with white space."""

    def has_accepted(self, feature: str) -> bool:
        """Returns whether the provider has accepted a request with this feature."""
        return feature in self._accepted

    def accepted(self, features: frozenset[str], remedies: list[Remedy]) -> None:
        """Records that the provider accepted a request with `features` after `remedies`."""
        for remedy in remedies:
            if not remedy.once and (remedy.named or not self.has_accepted(remedy.feature)):
                self._learn(remedy.quirks)
        self._accepted |= features

    def prefill_ignored(self, ignored: bool, *, certain: bool = False) -> None:
        """Records whether a reply to a prefill started anew instead of continuing; `certain` if it was no chance."""
        self.continues_prefills = not ignored
        self._ignored = self._ignored + 1 if ignored else 0
        if self._ignored >= _IGNORED_IN_A_ROW or (ignored and certain):
            self._learn(Quirks(refuses_prefill=True))

    def prefill_doubtful(self, features: frozenset[str]) -> None:
        """Records that the provider accepted `features`, and that its reply to a prefill did not show what it is."""
        self.accepted(features, [])
        self.prefill_ignored(True)

    def _learn(self, quirks: Quirks) -> None:
        known = set(self.quirks.described())
        self._values += [name for name in quirks.refused - set(self._values) if "=" in name]
        forgotten = set(self._values[:-_MOST_VALUES])
        self._values = self._values[-_MOST_VALUES:]
        self.quirks |= quirks
        self.quirks = replace(self.quirks, refused=self.quirks.refused - forgotten)
        if new := [word for word in self.quirks.described() if word not in known]:
            _log.warning("the provider of %s refuses: %s; requests avoid this from now on", self._candidate, new)


class QuirkTrials:
    """The forms of one call's request, tried one after the other until the provider accepts one."""

    def __init__(self, learned: LearnedQuirks, change: Callable[[Quirks], None]) -> None:
        """Begins with the known quirks; calls `change` with the quirks of each next form."""
        self._learnt = learned
        self._change = change
        self._base = learned.quirks
        self._applied: list[Remedy] = []
        self._guess: list[Remedy] = []
        self._guesses: list[list[Remedy]] | None = None
        self._tried = 0

    def try_next(self, remedies: tuple[Remedy, ...]) -> bool:
        """Changes to the next form of the request; returns False if none is left.

        A remedy that the provider named stays applied. Guesses are tried one by one, then all together.
        """
        if self._tried >= _MOST_TRIES:
            return False
        named = next((remedy for remedy in remedies if remedy.named), None)
        if named:
            # The provider refuses something else now, so the last guess was right.
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

    def accepted(self, features: frozenset[str]) -> None:
        """Remembers the remedies with which the provider accepted the request, which had `features`."""
        self._learnt.accepted(features, self._remedies())

    def _remedies(self) -> list[Remedy]:
        return [*self._applied, *self._guess]

    def _is_suspect(self, guess: Remedy) -> bool:
        # A prefill is always a suspect; other features are suspects only if the provider has never accepted them.
        return guess.feature == PREFILL or not self._learnt.has_accepted(guess.feature)
