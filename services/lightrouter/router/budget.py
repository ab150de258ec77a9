"""What a route may spend. Costs are estimated before each call and held against the ceiling, in nano-dollars.

A call is planned with all that it reads uncached, at one token a byte where nobody has counted, and with all of its
tokens written. So no prompt, whatever it is made of, takes a route beyond its ceiling.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.runtime.errors import invalid
from lightrouter.runtime.tokens import estimate_tokens, most_of_estimated, most_tokens
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_COST_CEILING_TOO_LOW

_MILLION = 1_000_000
# What a conversation gains besides its text when it is sent again with an answer: delimiters of one more message.
_MOST_PER_TURN = 16
# Instructions around the texts that a judge or a synthesizer reads, in bytes, and the most that a judge writes.
_INSTRUCTION_TOKENS = 1500
_INSTRUCTION_TOKENS_PER_TEXT = 90
_VERDICT_TOKENS = 1024
# The judge is asked in two orders, and once more each where its verdict cannot be read, which it is shown then.
_JUDGE_ORDERS = 2
_AGAIN_TOKENS = 300
# A synthesizer is shown where drafts contradict each other: at most so many places, two quotes of so many bytes each.
_CONTRADICTIONS = 8
_QUOTED_TOKENS = 480
_SENTENCE_TOKENS = 60
_AGAIN_TOKENS_PER_TEXT = 10


class Grant(NamedTuple):
    """Leave to make a call: the tokens that it may write, and the nano-dollars kept for it."""

    tokens: int
    reserved: int


def price(candidate: Candidate, input_tokens: int, output_tokens: int) -> int:
    """Returns the most that a call of so many tokens costs, in nano-dollars, rounded up."""
    prices = candidate.prices
    # A provider may ask more for cached tokens than for fresh ones; nothing forbids it.
    per_input = max(prices.input_nanousd_per_million, prices.cached_input_nanousd_per_million)
    return -(-(input_tokens * per_input + output_tokens * prices.output_nanousd_per_million) // _MILLION)


class Budget:
    """The money of one route. Without a ceiling everything is granted and nothing is estimated."""

    def __init__(self, ceiling: int | None, prompt_tokens: int) -> None:
        """Starts with `ceiling` nano-dollars, None for no limit, and a prompt of at most so many tokens."""
        self._ceiling = ceiling
        self._left = ceiling or 0
        self._prompt_tokens = prompt_tokens

    @property
    def limited(self) -> bool:
        """Whether there is a ceiling."""
        return self._ceiling is not None

    @property
    def left(self) -> int:
        """Nano-dollars that are neither spent nor kept for a call; below 0 where calls cost more than estimated."""
        return self._left

    def reserve(self, amount: int) -> bool:
        """Keeps `amount` for a call; False, and nothing kept, where that is more than what is left."""
        if self.limited:
            if amount > self._left:
                return False
            self._left -= amount
        return True

    def settle(self, reserved: int, spent: int) -> None:
        """Gives back what was kept for a call that is over, less what it cost."""
        if self.limited:
            self._left += reserved - spent

    def boot_cost(self, candidate: RouteCandidate) -> int:
        """Returns the most that booting costs."""
        return price(candidate.spec, self._most_read(candidate), candidate.boot_tokens) if self.limited else 0

    def _most_read(self, candidate: RouteCandidate) -> int:
        """Returns the most tokens that the prompt has for a candidate, with its own instructions."""
        return self._prompt_tokens + most_of_estimated(candidate.spec.fixed_input_tokens)

    def admit(self, candidates: Sequence[RouteCandidate], field: str) -> tuple[RouteCandidate, ...]:
        """Returns those that boot within the ceiling, in the given order, and keeps the money for it.

        The candidate with the cheapest whole route always boots. The others do by prior, as long as the money for
        that candidate's completion stays.

        Raises:
            ServiceError: The ceiling does not pay for the cheapest boot; `field` is named, and the least that would.
        """
        if self._ceiling is None:
            return tuple(candidates)
        least = min(map(self.boot_cost, candidates))
        if least > self._ceiling:
            message = f"a ceiling of {self._ceiling} nano-dollars pays for no route; the cheapest one takes {least}"
            raise invalid(field, message, ERROR_REASON_COST_CEILING_TOO_LOW)
        anchor = min(candidates, key=self._whole_cost)
        if self._whole_cost(anchor) > self._ceiling:
            # Nobody can finish: the one whose boot leaves most money goes as far as it reaches.
            anchor = min(candidates, key=self.boot_cost)
            self.reserve(self.boot_cost(anchor))
            return (anchor,)
        kept = self._whole_cost(anchor) - self.boot_cost(anchor)
        self.reserve(self._whole_cost(anchor))
        admitted = {anchor.name}
        for candidate in sorted(candidates, key=lambda r: (-r.quality.prior, self.boot_cost(r))):
            if candidate is not anchor and self.reserve(self.boot_cost(candidate)):
                admitted.add(candidate.name)
        self.settle(kept, 0)
        return tuple(candidate for candidate in candidates if candidate.name in admitted)

    def _whole_cost(self, candidate: RouteCandidate) -> int:
        boot = self.boot_cost(candidate)
        if candidate.output_tokens <= candidate.boot_tokens:
            return boot
        return boot + _finish_cost(
            candidate, self._most_read(candidate), candidate.boot_tokens, candidate.output_tokens
        )

    def completion_cost(self, boot: BootResult) -> int:
        """Returns the most that finishing the draft costs; 0 where it is finished."""
        if not self.limited or boot.ended:
            return 0
        return self._completion_cost(boot, boot.candidate.output_tokens)

    def _completion_cost(self, boot: BootResult, whole: int) -> int:
        """Returns the most that it costs to bring a draft to so many tokens in all."""
        # What the provider has counted once is what it reads again.
        read = boot.input_tokens or self._most_read(boot.candidate)
        return _finish_cost(boot.candidate, read, boot.used_tokens, whole)

    def choose(
        self, ranked: Sequence[BootResult], k: int, synthesizer: RouteCandidate | None, *, merging: bool
    ) -> Sequence[BootResult]:
        """Returns who may go on: the first `k` of the ranking, or fewer where the ceiling does not pay for them.

        Args:
            ranked: What the candidates wrote, best first.
            k: How many are wanted.
            synthesizer: Who merges; None for the best-ranked one.
            merging: Whether a model merges the drafts, which has to be paid for too.
        """
        if not self.limited:
            return ranked[:k]
        for count in range(min(k, len(ranked)), 0, -1):
            wanted = ranked[:count]
            cost = sum(map(self.completion_cost, wanted))
            if merging and count > 1:
                cost += self.merge_cost(synthesizer or wanted[0].candidate, wanted)
            if cost <= self._left:
                return wanted
        visible = [boot for boot in ranked if boot.partial.text] or ranked
        affordable = (boot for boot in ranked if self.completion_cost(boot) <= self._left)
        return [next(affordable, visible[0])]

    def reserve_beside_completion(self, amount: int, boot: Sequence[BootResult]) -> bool:
        """Keeps `amount` where what is left after it still pays for the cheapest of these completions."""
        if self.limited and amount + min(map(self.completion_cost, boot)) > self._left:
            return False
        return self.reserve(amount)

    def grant(self, boot: BootResult) -> Grant | None:
        """Returns leave to finish a draft, None where the money does not reach for all of it."""
        cost = self.completion_cost(boot)
        return Grant(boot.tokens_left, cost) if self.reserve(cost) else None

    def grant_takeover(self, candidate: RouteCandidate, text: str, tokens: int) -> Grant | None:
        """Returns leave to go on from another's text, None where the money does not reach.

        Args:
            candidate: Who goes on.
            text: What it goes on from; it may have more tokens for this provider than for those that wrote it.
            tokens: The tokens that it had for those.
        """
        new = max(1, candidate.output_tokens - tokens)
        if not self.limited:
            return Grant(new, 0)
        read, spec = self._most_read(candidate), candidate.spec
        # An adapter whose provider turns out to write anew adds what it estimates of the text.
        anew = price(spec, read, new + estimate_tokens(text))
        cost = max(price(spec, read + most_tokens(text), new), anew)
        return Grant(new, cost) if self.reserve(cost) else None

    def grant_rest(self, boot: BootResult) -> Grant:
        """Returns leave to go on with a draft for as many tokens as the money reaches; perhaps none."""
        used = boot.used_tokens
        lengths = range(used, boot.candidate.output_tokens + 1)
        reached = bisect_right(lengths, self._left, key=lambda whole: self._completion_cost(boot, whole))
        # A draft written anew is worth nothing where it ends before the boot text did.
        if reached <= 1:
            return Grant(0, 0)
        whole = lengths[reached - 1]
        cost = self._completion_cost(boot, whole)
        self.reserve(cost)
        return Grant(whole - used if boot.goes_on else whole, cost)

    def merge_cost(self, synthesizer: RouteCandidate, drafts: Sequence[BootResult]) -> int:
        """Returns the most that one model's merging of these drafts costs."""
        return self.merge_cost_of(synthesizer, [boot.candidate.output_tokens for boot in drafts])

    def merge_cost_of(self, synthesizer: RouteCandidate, draft_tokens: Sequence[int]) -> int:
        """Returns the most that one model's merging of drafts of so many tokens costs."""
        if not self.limited:
            return 0
        read = self._most_read(synthesizer) + _INSTRUCTION_TOKENS + sum(draft_tokens)
        read += _INSTRUCTION_TOKENS_PER_TEXT * len(draft_tokens)
        quoted = sum(min(tokens, _QUOTED_TOKENS) for tokens in draft_tokens)
        read += quoted + _CONTRADICTIONS * (min(quoted, 2 * _QUOTED_TOKENS) + _SENTENCE_TOKENS)
        # One that breaks off is asked to go on: it reads all of that again, and what it has written.
        written = synthesizer.output_tokens
        return price(synthesizer.spec, read, written) + price(synthesizer.spec, read + written, 0)

    def judge_cost(self, judge: RouteCandidate, partials: Sequence[BootResult]) -> int:
        """Returns the most that the judge's calls cost."""
        if not self.limited:
            return 0
        read = self._most_read(judge) + _INSTRUCTION_TOKENS
        read += sum(most_tokens(boot.partial.text) + _INSTRUCTION_TOKENS_PER_TEXT for boot in partials)
        more = _VERDICT_TOKENS + _AGAIN_TOKENS + _AGAIN_TOKENS_PER_TEXT * len(partials)
        again = price(judge.spec, read + more, _VERDICT_TOKENS)
        return _JUDGE_ORDERS * (price(judge.spec, read, _VERDICT_TOKENS) + again)


def _finish_cost(candidate: RouteCandidate, read: int, used: int, whole: int) -> int:
    """Returns the most that it costs to bring a draft from `used` tokens to `whole`, after a prompt of `read`.

    A candidate that goes on reads again what it wrote. Whether its provider lets it shows only then: where it does not,
    all is written once more.
    """
    anew = price(candidate.spec, read, whole)
    if not used or not candidate.goes_on:
        return anew
    return max(anew, price(candidate.spec, read + used + _MOST_PER_TURN, whole - used))
