"""Admission: what the request left out is filled in, who boots is decided, and what cannot be served is refused."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from lightrouter.answers.extract import check
from lightrouter.router.book import Book
from lightrouter.router.budget import Budget
from lightrouter.router.roster import Roster
from lightrouter.router.runner import Runner
from lightrouter.router.state import Admission
from lightrouter.runtime.errors import Code, ServiceError, invalid
from lightrouter.runtime.tokens import messages_tokens, most_messages_tokens
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
    Candidate,
)
from lightrouter.v1.chat_pb2 import Sampling
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_POOL_EMPTY,
    ERROR_REASON_UNKNOWN_CANDIDATE,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_CONTEXT_WINDOW,
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_LAST_RESORT,
    NOT_ASKED_REASON_CONTEXT_WINDOW,
    NOT_ASKED_REASON_COST_CEILING,
    NOT_ASKED_REASON_PROBATION,
    NotAsked,
)
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Prompt

_POLICY = "prompt.policy"

WhyNot = Callable[[Candidate], NotAsked | None]
"""Returns why a candidate is not worth asking now; None where it is."""


@dataclass(frozen=True, slots=True)
class Maxima:
    """What the operator allows a request at most; None allows what the protos do.

    Attributes:
        cost_nanousd: Money of the whole route, in nano-dollars.
        boot_tokens: Boot tokens of a candidate.
        k: Candidates that go on.
        output_tokens: Tokens of an answer.
    """

    cost_nanousd: int | None = None
    boot_tokens: int | None = None
    k: int | None = None
    output_tokens: int | None = None

    def hold(self, policy: Policy, sampling: Sampling) -> None:
        """Lowers what a policy and its sampling ask for, all of it set but perhaps the ceiling, to what is allowed."""
        if self.cost_nanousd is not None:
            asked = policy.max_cost_nanousd if policy.HasField("max_cost_nanousd") else self.cost_nanousd
            policy.max_cost_nanousd = min(asked, self.cost_nanousd)
        policy.boot_tokens = min(policy.boot_tokens, self.boot_tokens or policy.boot_tokens)
        policy.k = min(policy.k, self.k or policy.k)
        sampling.max_output_tokens = min(sampling.max_output_tokens, self.output_tokens or sampling.max_output_tokens)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a request says nothing.

    Attributes:
        policy: The policy, with every field set that has a default.
        max_output_tokens: Most tokens of an answer.
        probation_share: Share of the requests, 0 to 1, in which a candidate on probation takes part.
        exploring_share: Share of the requests, 0 to 1, in which one candidate boots that is not on the shortlist.
        maxima: What no request gets more of.
    """

    policy: Policy
    max_output_tokens: int = 1024
    probation_share: float = 0.05
    exploring_share: float = 0.02
    maxima: Maxima = Maxima()


def admit(
    prompt: Prompt,
    roster: Roster,
    defaults: Defaults,
    draw: int,
    book: Book,
    why_not: WhyNot = lambda _: None,
) -> tuple[Admission, Budget]:
    """Returns the admitted request and its budget, in which the money for the boots is kept.

    Args:
        prompt: The request, valid by the rules of the protos.
        roster: The pool as it is now.
        defaults: What holds where the request says nothing.
        draw: Seed of what is drawn for this route, 0 to 2^31 - 1; the seed of a request that brings none, too.
        book: Gets a degradation for each candidate that is left out.
        why_not: Who is not worth asking now.

    Raises:
        ServiceError: INVALID_ARGUMENT where the request names what is not there or cannot be paid for or fitted;
            FAILED_PRECONDITION where the pool has no candidate that may answer.
    """
    policy = Policy()
    policy.CopyFrom(defaults.policy)
    policy.MergeFrom(prompt.policy)
    check(policy.answer_pattern, f"{_POLICY}.answer_pattern")
    sampling = Sampling()
    sampling.CopyFrom(prompt.sampling)
    if not sampling.HasField("max_output_tokens"):
        sampling.max_output_tokens = defaults.max_output_tokens
    defaults.maxima.hold(policy, sampling)
    candidates = _named(policy.candidates, roster) if policy.candidates else _allowed(roster)
    # One that the request names is taken at its word, on probation or not.
    share = 1.0 if policy.candidates else defaults.probation_share
    left_out = {each.candidate: each for c in candidates if (each := why_not(c) or _on_probation(c, draw, share))}
    prompt_tokens = messages_tokens(prompt.messages)
    fitting = _fitting(candidates, left_out, roster, policy, sampling.max_output_tokens, prompt_tokens, book)
    asked, standby = _asked(fitting, left_out, policy.k, book)
    ceiling = policy.max_cost_nanousd if policy.HasField("max_cost_nanousd") else None
    budget = Budget(ceiling, most_messages_tokens(prompt.messages))
    runners = budget.admit(asked, f"{_POLICY}.max_cost_nanousd")
    unpaid = [runner for runner in asked if runner not in runners] if len(runners) < len(asked) else []
    for runner in unpaid:
        message = f"the cost ceiling does not pay for {runner.name} to boot"
        book.drop(DEGRADED_REASON_COST_CEILING, message, runner.name)
        book.not_asked(runner.name, NOT_ASKED_REASON_COST_CEILING, message)
    admission = Admission(
        messages=prompt.messages,
        sampling=sampling,
        policy=policy,
        runners=runners,
        seed=sampling.seed if sampling.HasField("seed") else draw,
        judge=_helper(roster, roster.judge, sampling) or max(runners, key=lambda runner: runner.quality.prior),
        synthesizer=_helper(roster, roster.synthesizer, sampling),
        draw=draw,
        standby=(*unpaid, *standby),
        homogeneous=bool(roster.homogeneous),
        prompt_tokens=prompt_tokens,
    )
    return admission, budget


def _named(names: Iterable[str], roster: Roster) -> list[Candidate]:
    """Returns the candidates that the request asks for by name; one on probation is taken at its word."""
    wanted = set(names)
    for name in wanted:
        candidate = roster.candidates.get(name)
        if candidate is None or candidate.state == CANDIDATE_STATE_EVICTED:
            known = ", ".join(c.name for c in roster.candidates.values() if c.state != CANDIDATE_STATE_EVICTED)
            what = "is not in the pool" if candidate is None else "is evicted from the pool"
            message = f"{name} {what}; those that may answer are: {known or 'none'}"
            raise invalid(f"{_POLICY}.candidates", message, ERROR_REASON_UNKNOWN_CANDIDATE)
    return [candidate for candidate in roster.candidates.values() if candidate.name in wanted]


def _allowed(roster: Roster) -> list[Candidate]:
    allowed = [candidate for candidate in roster.candidates.values() if candidate.state != CANDIDATE_STATE_EVICTED]
    if not allowed:
        message = "the pool has no candidate that may answer"
        raise ServiceError(Code.FAILED_PRECONDITION, ERROR_REASON_POOL_EMPTY, message)
    return allowed


def _on_probation(candidate: Candidate, draw: int, share: float) -> NotAsked | None:
    if candidate.state != CANDIDATE_STATE_PROBATION or _explores(candidate.name, draw, share):
        return None
    message = f"{candidate.name} is on probation, and takes part in {share:.0%} of the requests"
    return NotAsked(candidate=candidate.name, reason=NOT_ASKED_REASON_PROBATION, message=message)


def _explores(name: str, draw: int, share: float) -> bool:
    return Random(f"{draw}:{name}").random() < share  # noqa: S311 - a sample of the traffic, no secret


def _asked(
    fitting: Sequence[Runner], left_out: Mapping[str, NotAsked], k: int, book: Book
) -> tuple[list[Runner], list[Runner]]:
    """Returns who boots and who stands by, each best first where it matters; the book says why the latter do not boot.

    Where everybody is left out, those on probation boot: hardly ever answering would be worse. Where nobody is on
    probation either, the best k are asked in spite of what is known of them.
    """
    standby = sorted(
        (runner for runner in fitting if runner.name in left_out),
        key=lambda runner: (left_out[runner.name].reason != NOT_ASKED_REASON_PROBATION, -runner.quality.prior),
    )
    asked = [runner for runner in fitting if runner.name not in left_out]
    if not asked:
        asked = [runner for runner in fitting if left_out[runner.name].reason == NOT_ASKED_REASON_PROBATION]
    if not asked:
        asked = standby[:k]
        for runner in asked:
            message = f"nobody else can be asked now, so {runner.name} is: {left_out[runner.name].message}"
            book.degrade(DEGRADED_REASON_LAST_RESORT, message, runner.name)
    standby = [runner for runner in standby if runner not in asked]
    for runner in standby:
        why = left_out[runner.name]
        book.not_asked(why.candidate, why.reason, why.message)
        if why.reason != NOT_ASKED_REASON_PROBATION:
            book.drop(DEGRADED_REASON_CANDIDATE_FAILED, why.message, why.candidate)
    return asked, standby


def _fitting(
    candidates: Sequence[Candidate],
    left_out: Container[str],
    roster: Roster,
    policy: Policy,
    max_output_tokens: int,
    prompt_tokens: int,
    book: Book,
) -> list[Runner]:
    """Returns the candidates whose context window holds the prompt and the boot tokens."""
    runners: list[Runner] = []
    for candidate in candidates:
        boot = min(candidate.max_boot_tokens or policy.boot_tokens, max_output_tokens)
        read = prompt_tokens + candidate.fixed_input_tokens
        room = candidate.context_window - read if candidate.context_window else max_output_tokens
        if room < boot:
            message = (
                f"the prompt of about {read} tokens, the candidate's own instructions included, and {boot} boot tokens "
                f"exceed the context window of {candidate.name}, {candidate.context_window} tokens"
            )
            if candidate.name not in left_out:
                book.drop(DEGRADED_REASON_CONTEXT_WINDOW, message, candidate.name)
            book.not_asked(candidate.name, NOT_ASKED_REASON_CONTEXT_WINDOW, message)
            continue
        target = roster.targets[candidate.name]
        output = min(max_output_tokens, room)
        runners.append(Runner(candidate.name, candidate, target, boot, output, policy.category))
    if not runners:
        largest = max(candidate.context_window for candidate in candidates)
        message = f"about {prompt_tokens} tokens exceed every allowed candidate's context window, {largest} at most"
        raise invalid("prompt.messages", message, ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    return runners


def _helper(roster: Roster, name: str | None, sampling: Sampling) -> Runner | None:
    """Returns the candidate that the pool names for judging or merging, which need not take part itself.

    None where it names nobody, or one that it does not have or has evicted.
    """
    candidate = roster.candidates.get(name) if name else None
    if name is None or candidate is None or candidate.state == CANDIDATE_STATE_EVICTED:
        return None
    tokens = sampling.max_output_tokens
    return Runner(name, candidate, roster.targets[name], tokens, tokens)
