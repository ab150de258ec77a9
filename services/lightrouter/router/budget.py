"""The money of a route. Costs are estimated before each call and reserved under the ceiling, in nano-dollars.

Each estimate is an upper bound: no input is cached, a text has one token per byte unless its provider has counted it,
and all output tokens are written. So no prompt takes a route beyond its ceiling.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.runtime.errors import invalid
from lightrouter.runtime.ledger import most_nanousd
from lightrouter.runtime.tokens import estimate_tokens, most_of_estimated, most_tokens
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_COST_CEILING_TOO_LOW

# Tokens around one more message of a conversation: the delimiters of chat templates are shorter; the bound is a choice.
_MAX_TOKENS_PER_TURN = 16
# Bounds, at one token per byte, of the instructions around the texts that a judge or a synthesizer reads. The tests of
# the budget compare them with the prompts of selector and aggregator.
_INSTRUCTION_TOKENS = 1500
_INSTRUCTION_TOKENS_PER_TEXT = 90
# The default of the selector's setting judge_output_tokens.
_VERDICT_TOKENS = 1024
# The judge is asked in two orders. If its verdict cannot be read, it is shown that verdict and asked once more.
_JUDGE_ORDERS = 2
_AGAIN_TOKENS = 300
# A synthesizer is shown up to 8 contradictions of the drafts (answers/contradictions.py), each in a sentence with two
# quotes of up to 160 characters, three bytes each.
_CONTRADICTIONS = 8
_QUOTED_TOKENS = 480
_SENTENCE_TOKENS = 60
_AGAIN_TOKENS_PER_TEXT = 10


class Grant(NamedTuple):
    """Permission to make a call: the tokens that it may write, and the nano-dollars reserved for it."""

    tokens: int
    reserved: int


def price(candidate: Candidate, input_tokens: int, output_tokens: int) -> int:
    """Returns the highest cost of a call with up to these tokens, in nano-dollars, rounded up."""
    return most_nanousd(candidate.prices, input_tokens, output_tokens)


class Budget:
    """The money of one route. Without a ceiling every call is granted and nothing is estimated."""

    def __init__(self, ceiling: int | None, prompt_tokens: int, least_tokens: dict[str, int] | None = None) -> None:
        """Starts with the whole ceiling.

        Args:
            ceiling: Nano-dollars of the route; None for no limit.
            prompt_tokens: Upper bound of the prompt's tokens.
            least_tokens: The smallest token limits that providers accept, by candidate, as far as they are known.
                Routes share it, and `learn` adds to it. What another route learns later is for later routes: the same
                call must cost the same when its money is reserved and when it is given back.
        """
        self._shared_least_tokens = {} if least_tokens is None else least_tokens
        self._least_tokens = dict(self._shared_least_tokens)
        self._ceiling = ceiling
        self._left = ceiling or 0
        self._prompt_tokens = prompt_tokens

    @property
    def limited(self) -> bool:
        """Whether there is a ceiling."""
        return self._ceiling is not None

    @property
    def left(self) -> int:
        """Nano-dollars that are neither spent nor reserved; below 0 if calls cost more than estimated."""
        return self._left

    def counting(self) -> Budget:
        """Returns a budget whose ceiling nothing reaches, so that it estimates every cost."""
        return Budget(2**63 - 1, self._prompt_tokens, self._least_tokens)

    def learn(self, candidate: str, least_tokens: int) -> None:
        """Takes the smallest token limit that a candidate's provider accepts; its adapter raises lower limits to it."""
        self._least_tokens[candidate] = self._shared_least_tokens[candidate] = least_tokens

    def reserve(self, amount: int) -> bool:
        """Reserves `amount` for a call; returns False, and reserves nothing, if less is left."""
        if self.limited:
            if amount > self._left:
                return False
            self._left -= amount
        return True

    def settle(self, reserved: int, spent: int) -> None:
        """Returns the money that was reserved for a call to the budget, less the cost of the call."""
        if self.limited:
            self._left += reserved - spent

    def boot_cost(self, candidate: RouteCandidate) -> int:
        """Returns the highest cost of a boot, with the tokens that its call may write while it is held."""
        if not self.limited:
            return 0
        # What arrives while the call is held is counted by an estimate.
        written = min(candidate.output_tokens, candidate.boot_tokens + most_of_estimated(candidate.held_tokens))
        return self._price(candidate, self._max_read(candidate), written)

    def covers(self, candidates: Sequence[RouteCandidate]) -> bool:
        """Returns whether the ceiling covers all of these boots and the completion of the cheapest route."""
        if self._ceiling is None:
            return True
        anchor = min(candidates, key=self.whole_cost)
        kept = self.whole_cost(anchor) - self.boot_cost(anchor)
        return sum(map(self.boot_cost, candidates)) + kept <= self._ceiling

    def _max_read(self, candidate: RouteCandidate) -> int:
        """Returns an upper bound of the prompt's tokens for a candidate, its own instructions included."""
        return self._prompt_tokens + most_of_estimated(candidate.spec.fixed_input_tokens)

    def check(self, candidates: Sequence[RouteCandidate], field: str) -> None:
        """Refuses a ceiling that does not cover the cheapest of these boots.

        Raises:
            ServiceError: INVALID_ARGUMENT; it names `field` and the lowest ceiling.
        """
        least = min(map(self.boot_cost, candidates))
        if self._ceiling is not None and least > self._ceiling:
            message = f"a ceiling of {self._ceiling} nano-dollars pays for no route; the cheapest one takes {least}"
            raise invalid(field, message, ERROR_REASON_COST_CEILING_TOO_LOW)

    def admit(self, candidates: Sequence[RouteCandidate], field: str) -> tuple[RouteCandidate, ...]:
        """Returns those that boot within the ceiling, in the given order, and keeps the money for it.

        The candidate with the cheapest whole route always boots. The others do by prior, as long as the money for
        that candidate's completion stays.

        Raises:
            ServiceError: The ceiling does not cover the cheapest boot. The error names `field` and the lowest ceiling.
        """
        if self._ceiling is None:
            return tuple(candidates)
        self.check(candidates, field)
        anchor = min(candidates, key=self.whole_cost)
        if self.whole_cost(anchor) > self._ceiling:
            # No candidate can finish. The one with the cheapest boot leaves the most money for a part of its draft.
            anchor = min(candidates, key=self.boot_cost)
            self.reserve(self.boot_cost(anchor))
            return (anchor,)
        kept = self.whole_cost(anchor) - self.boot_cost(anchor)
        self.reserve(self.whole_cost(anchor))
        admitted = {anchor.name}
        for candidate in sorted(candidates, key=lambda c: (-c.quality.prior, self.boot_cost(c))):
            if candidate is not anchor and self.reserve(self.boot_cost(candidate)):
                admitted.add(candidate.name)
        self.settle(kept, 0)
        return tuple(candidate for candidate in candidates if candidate.name in admitted)

    def whole_cost(self, candidate: RouteCandidate) -> int:
        """Returns the highest cost of a candidate's boot and of finishing it."""
        boot = self.boot_cost(candidate)
        if candidate.output_tokens <= candidate.boot_tokens:
            return boot
        return boot + self._finish_cost(
            candidate, self._max_read(candidate), candidate.boot_tokens, candidate.output_tokens
        )

    def answer_cost(self, candidate: RouteCandidate) -> int:
        """Returns the highest cost of a candidate's whole answer in one call, whether or not there is a ceiling."""
        return self._price(candidate, self._max_read(candidate), candidate.output_tokens)

    def completion_cost(self, boot: BootResult) -> int:
        """Returns the highest cost of finishing the draft; 0 if it is finished."""
        if not self.limited or boot.ended:
            return 0
        return self._completion_cost(boot, boot.candidate.output_tokens)

    def _completion_cost(self, boot: BootResult, whole: int) -> int:
        """Returns the highest cost of bringing a draft to `whole` tokens."""
        # The provider reads again the tokens that it has counted at the boot.
        read = boot.input_tokens or self._max_read(boot.candidate)
        if boot.is_open:
            # The call goes on: nothing is read again, but what was read tells the price of what is written.
            return self._price(boot.candidate, read, whole - boot.used_tokens) - self._price(boot.candidate, read, 0)
        return self._finish_cost(boot.candidate, read, boot.used_tokens, whole)

    def choose(
        self, ranked: Sequence[BootResult], k: int, synthesizer: RouteCandidate | None, *, merging: bool
    ) -> Sequence[BootResult]:
        """Returns the first `k` candidates of the ranking, or those that the budget covers; never empty.

        Args:
            ranked: What the candidates wrote, best first.
            k: Number of candidates that shall go on.
            synthesizer: The model that merges; None for the best-ranked one.
            merging: Whether a model merges the drafts, so that its cost counts too.
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

    def reserve_beside_completion(self, amount: int, boots: Sequence[BootResult]) -> bool:
        """Reserves `amount` if the rest still covers the cheapest of these completions; returns whether it did."""
        if self.limited and amount + min(map(self.completion_cost, boots)) > self._left:
            return False
        return self.reserve(amount)

    def grant(self, boot: BootResult) -> Grant | None:
        """Returns a grant for the whole rest of a draft; None if the budget does not cover it."""
        cost = self.completion_cost(boot)
        return Grant(boot.tokens_left, cost) if self.reserve(cost) else None

    def grant_takeover(self, candidate: RouteCandidate, text: str, tokens: int) -> Grant | None:
        """Returns a grant for continuing a text of other candidates; None if the budget does not cover it.

        Args:
            candidate: The candidate that continues the text.
            text: The text. It may have more tokens for this candidate than for those that wrote it.
            tokens: The tokens of the text for the candidates that wrote it.
        """
        new = max(1, candidate.output_tokens - tokens)
        if not self.limited:
            return Grant(new, 0)
        read = self._max_read(candidate)
        # If the provider writes the text anew, the adapter adds the text's estimated tokens to the limit.
        anew = self._price(candidate, read, new + estimate_tokens(text))
        cost = max(self._price(candidate, read + most_tokens(text), new), anew)
        return Grant(new, cost) if self.reserve(cost) else None

    def grant_rest(self, boot: BootResult) -> Grant:
        """Returns a grant for as many tokens of a draft as the budget covers, possibly 0."""
        used = boot.used_tokens
        lengths = range(used, boot.candidate.output_tokens + 1)
        reached = bisect_right(lengths, self._left, key=lambda whole: self._completion_cost(boot, whole))
        # A draft that is written anew is useless if it ends before the boot text does.
        if reached <= 1:
            return Grant(0, 0)
        whole = lengths[reached - 1]
        cost = self._completion_cost(boot, whole)
        self.reserve(cost)
        return Grant(whole - used if boot.can_continue else whole, cost)

    def merge_cost(self, synthesizer: RouteCandidate, drafts: Sequence[BootResult]) -> int:
        """Returns the highest cost of merging these drafts by one model."""
        return self.merge_cost_of(synthesizer, [boot.candidate.output_tokens for boot in drafts])

    def merge_cost_of(self, synthesizer: RouteCandidate, draft_tokens: Sequence[int]) -> int:
        """Returns the highest cost of merging drafts with these numbers of tokens by one model."""
        if not self.limited:
            return 0
        read = self._max_read(synthesizer) + _INSTRUCTION_TOKENS + sum(draft_tokens)
        read += _INSTRUCTION_TOKENS_PER_TEXT * len(draft_tokens)
        quoted = sum(min(tokens, _QUOTED_TOKENS) for tokens in draft_tokens)
        read += quoted + _CONTRADICTIONS * (min(quoted, 2 * _QUOTED_TOKENS) + _SENTENCE_TOKENS)
        # A model that breaks off is asked to go on: it reads all of that and its own text again.
        written = synthesizer.output_tokens
        return self._price(synthesizer, read, written) + self._price(synthesizer, read + written, 0)

    def judge_cost(self, judge: RouteCandidate, partials: Sequence[BootResult]) -> int:
        """Returns the highest cost of the judge's calls."""
        return self.judge_cost_of(judge, [most_tokens(boot.partial.text) for boot in partials])

    def judge_cost_of(self, judge: RouteCandidate, partial_tokens: Sequence[int]) -> int:
        """Returns the highest cost of judging partials with these numbers of tokens."""
        if not self.limited:
            return 0
        count = len(partial_tokens)
        read = self._max_read(judge) + _INSTRUCTION_TOKENS + sum(partial_tokens) + _INSTRUCTION_TOKENS_PER_TEXT * count
        more = _VERDICT_TOKENS + _AGAIN_TOKENS + _AGAIN_TOKENS_PER_TEXT * count
        again = self._price(judge, read + more, _VERDICT_TOKENS)
        return _JUDGE_ORDERS * (self._price(judge, read, _VERDICT_TOKENS) + again)

    def _finish_cost(self, candidate: RouteCandidate, read: int, used: int, whole: int) -> int:
        """Returns the highest cost of bringing a draft from `used` tokens to `whole`, after a prompt of `read` tokens.

        A candidate that continues its text reads the text again. If its provider turns out not to allow that, the
        candidate writes the whole draft anew.
        """
        anew = self._price(candidate, read, whole)
        if not used or not candidate.can_continue:
            return anew
        return max(anew, self._price(candidate, read + used + _MAX_TOKENS_PER_TURN, whole - used))

    def _price(self, candidate: RouteCandidate, read: int, written: int) -> int:
        """Returns the highest cost of a call; its limit is at least the smallest that the provider accepts."""
        least = self._least_tokens.get(candidate.name, 0)
        return price(candidate.spec, read, max(written, least) if written else 0)
