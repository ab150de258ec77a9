"""Admission: fills in what the request leaves out, decides which candidates may answer, and refuses bad requests."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from lightrouter.answers.extract import check
from lightrouter.answers.json_schema import OutputForm
from lightrouter.router.abilities import Need, lacks, media_needs, named, needs
from lightrouter.router.budget import Budget
from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import Admission, RouteContext
from lightrouter.router.conversation import author_of_call, check_results
from lightrouter.router.holding import with_boots_that_decide, with_held_tokens
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.rules import Defaults, asks_for_boots
from lightrouter.runtime.errors import Code, ServiceError, invalid
from lightrouter.runtime.tokens import messages_tokens, most_messages_tokens, most_output_tokens, output_tokens
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
    Candidate,
)
from lightrouter.v1.chat_pb2 import OutputSpec, Sampling
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ABILITY_MISSING,
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_POOL_EMPTY,
    ERROR_REASON_UNKNOWN_CANDIDATE,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_CONTEXT_WINDOW,
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_LAST_RESORT,
    NOT_ASKED_REASON_ABILITY,
    NOT_ASKED_REASON_CONTEXT_WINDOW,
    NOT_ASKED_REASON_COST_CEILING,
    NOT_ASKED_REASON_PROBATION,
    NotAsked,
)
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Prompt

# A choice: with two there is something to compare.
_MEDIA_SHORTLIST: Final = 2
_POLICY = "prompt.policy"
_CEILING = f"{_POLICY}.max_cost_nanousd"

WhyNot = Callable[[Candidate], NotAsked | None]
"""Returns why a candidate cannot deliver now; None if it can."""


def admit(
    prompt: Prompt,
    snapshot: PoolSnapshot,
    defaults: Defaults,
    draw: int,
    ledger: RouteLedger,
    why_not: WhyNot = lambda _: None,
    least_tokens: dict[str, int] | None = None,
    form: OutputForm | None = None,
) -> tuple[Admission, Budget]:
    """Returns the admitted request and its budget, of which nothing is reserved yet.

    Args:
        prompt: The request, valid by the rules of the protos.
        snapshot: The current pool.
        defaults: The values for what the request leaves out.
        draw: Seed of the random decisions of this route, 0 to 2^31 - 1; also the seed of a request without one.
        ledger: Records each candidate that is left out.
        why_not: Returns why a candidate cannot deliver now.
        least_tokens: The smallest token limits that providers accept, by candidate; see `Budget`.
        form: Tells the faults of answers; None if every answer will do.

    Raises:
        ServiceError: INVALID_ARGUMENT if the request names an unknown candidate, needs what no candidate is able to do,
            or does not fit into its cost ceiling or into any context window; FAILED_PRECONDITION if the pool has no
            candidate that may answer.
    """
    media = list(media_needs(prompt.messages))
    policy, sampling = _filled_in(prompt, defaults, media)
    check_results(prompt.messages)
    specs = _named(policy.candidates, snapshot) if policy.candidates else _allowed(snapshot)
    specs = _able(specs, prompt, ledger)
    # A candidate that the request names takes part even if it is on probation.
    share = 1.0 if policy.candidates else defaults.probation_share
    left_out = {why.candidate: why for spec in specs if (why := why_not(spec) or _on_probation(spec, draw, share))}
    prompt_tokens = messages_tokens(prompt.messages) + output_tokens(prompt.output)
    fitting = _fitting(specs, left_out, snapshot, policy, sampling.max_output_tokens, prompt_tokens, ledger)
    if prompt.output != OutputSpec():
        fitting = [replace(candidate, resumes=False) for candidate in fitting]
    asked, standby = _asked(fitting, left_out, policy.k, ledger)
    asked, standby, author = _after_author(prompt, asked, standby)
    ceiling = policy.max_cost_nanousd if policy.HasField("max_cost_nanousd") else None
    most = most_messages_tokens(prompt.messages) + most_output_tokens(prompt.output)
    budget = Budget(ceiling, most, least_tokens)
    budget.check(asked, _CEILING)
    admission = Admission(
        messages=prompt.messages,
        sampling=sampling,
        policy=policy,
        candidates=tuple(asked),
        seed=sampling.seed if sampling.HasField("seed") else draw,
        judge=_helper(snapshot, snapshot.judge, sampling, why_not)
        or max(asked, key=lambda candidate: candidate.quality.prior),
        synthesizer=_helper(snapshot, snapshot.synthesizer, sampling, why_not, media),
        draw=draw,
        standby=tuple(standby),
        homogeneous=bool(snapshot.homogeneous),
        prompt_tokens=prompt_tokens,
        output=prompt.output,
        form=form,
        author=author,
    )
    return admission, budget


def reserve_boots(route: RouteContext) -> RouteContext:
    """Returns the route with the candidates that boot within the ceiling, and reserves the money for their boots."""
    admission, budget, policy = route.admission, route.budget, route.admission.policy
    asked: Sequence[RouteCandidate] = admission.candidates
    standby: Sequence[RouteCandidate] = admission.standby
    for boots in (with_boots_that_decide(asked, policy), asked):
        held = with_held_tokens(boots, policy, admission.prompt_tokens, route.times)
        if budget.covers(held):
            asked = held
            standby = with_held_tokens(standby, policy, admission.prompt_tokens, route.times)
            break
    candidates = budget.admit(asked, _CEILING)
    unpaid = [candidate for candidate in asked if candidate not in candidates] if len(candidates) < len(asked) else []
    for candidate in unpaid:
        message = f"the cost ceiling does not pay for {candidate.name} to boot"
        route.ledger.drop(DEGRADED_REASON_COST_CEILING, message, candidate.name)
        route.ledger.add_not_asked(candidate.name, NOT_ASKED_REASON_COST_CEILING, message)
    judge = admission.judge
    if any(judge is candidate for candidate in admission.candidates):
        # The pool names none, so it is the best of those that boot.
        judge = max(candidates, key=lambda candidate: candidate.quality.prior)
    return replace(route, admission=replace(admission, candidates=candidates, standby=(*unpaid, *standby), judge=judge))


def _filled_in(prompt: Prompt, defaults: Defaults, media: Sequence[Need]) -> tuple[Policy, Sampling]:
    """Returns the policy and sampling of the request, with the defaults for what it leaves out, within the maxima."""
    policy = Policy()
    policy.CopyFrom(defaults.policy)
    policy.MergeFrom(prompt.policy)
    if asks_for_boots(prompt.policy):
        policy.ClearField("worth_nanousd")
    check(policy.answer_pattern, f"{_POLICY}.answer_pattern")
    sampling = Sampling()
    sampling.CopyFrom(prompt.sampling)
    if not sampling.HasField("max_output_tokens"):
        sampling.max_output_tokens = defaults.max_output_tokens
    defaults.maxima.apply(policy, sampling)
    if media and not (policy.candidates or prompt.policy.HasField("shortlist")):
        # Each boot reads the media anew, and they are most of the prompt.
        small = max(policy.k, _MEDIA_SHORTLIST)
        policy.shortlist = min(policy.shortlist or small, small)
    return policy, sampling


def _after_author(
    prompt: Prompt, asked: list[RouteCandidate], standby: list[RouteCandidate]
) -> tuple[list[RouteCandidate], list[RouteCandidate], str]:
    """Returns who boots, who stands by, and the author of the answered tool call; "" if it is not among those asked."""
    author = author_of_call(prompt.messages)
    if all(candidate.name != author for candidate in asked):
        return asked, standby, ""
    # The others know nothing of what it was about to do.
    others = [each for each in asked if each.name != author]
    return [each for each in asked if each.name == author], [*others, *standby], author


def _able(specs: Sequence[Candidate], prompt: Prompt, ledger: RouteLedger) -> list[Candidate]:
    """Returns the candidates with all abilities that the prompt needs; records what the others lack."""
    needed = needs(prompt)
    lacking = {spec.name: lacks(spec, needed) for spec in specs}
    for name, missing in lacking.items():
        if missing:
            ledger.add_not_asked(
                name, NOT_ASKED_REASON_ABILITY, f"{name} lacks what the prompt needs: {named(missing)}"
            )
    able = [spec for spec in specs if not lacking[spec.name]]
    if not able:
        fewest = min(lacking.values(), key=len)
        message = f"no allowed candidate can take this: each lacks one of {named(needed)}; the nearest {named(fewest)}"
        raise invalid(fewest[0][1], message, ERROR_REASON_ABILITY_MISSING)
    return able


def _named(names: Iterable[str], snapshot: PoolSnapshot) -> list[Candidate]:
    """Returns the entries of the candidates that the request names."""
    wanted = set(names)
    for name in wanted:
        spec = snapshot.candidates.get(name)
        if spec is None or spec.state == CANDIDATE_STATE_EVICTED:
            known = ", ".join(other.name for other in _not_evicted(snapshot))
            what = "is not in the pool" if spec is None else "is evicted from the pool"
            message = f"{name} {what}; those that may answer are: {known or 'none'}"
            raise invalid(f"{_POLICY}.candidates", message, ERROR_REASON_UNKNOWN_CANDIDATE)
    return [spec for spec in snapshot.candidates.values() if spec.name in wanted]


def _not_evicted(snapshot: PoolSnapshot) -> list[Candidate]:
    return [spec for spec in snapshot.candidates.values() if spec.state != CANDIDATE_STATE_EVICTED]


def _allowed(snapshot: PoolSnapshot) -> list[Candidate]:
    allowed = _not_evicted(snapshot)
    if not allowed:
        message = "the pool has no candidate that may answer"
        raise ServiceError(Code.FAILED_PRECONDITION, ERROR_REASON_POOL_EMPTY, message)
    return allowed


def _on_probation(spec: Candidate, draw: int, share: float) -> NotAsked | None:
    if spec.state != CANDIDATE_STATE_PROBATION or _explores(spec.name, draw, share):
        return None
    message = f"{spec.name} is on probation, and takes part in {share:.0%} of the requests"
    return NotAsked(candidate=spec.name, reason=NOT_ASKED_REASON_PROBATION, message=message)


def _explores(name: str, draw: int, share: float) -> bool:
    return Random(f"{draw}:{name}").random() < share  # noqa: S311 - a sample of the traffic, no secret


def _asked(
    fitting: Sequence[RouteCandidate], left_out: Mapping[str, NotAsked], k: int, ledger: RouteLedger
) -> tuple[list[RouteCandidate], list[RouteCandidate]]:
    """Returns the candidates that boot and those that stand by, and records why the latter do not boot.

    If all candidates are left out, those on probation boot. If none is on probation either, the k with the best priors
    boot although they probably cannot deliver. Those that stand by are in the order in which to ask them.
    """
    standby = sorted(
        (candidate for candidate in fitting if candidate.name in left_out),
        key=lambda candidate: (left_out[candidate.name].reason != NOT_ASKED_REASON_PROBATION, -candidate.quality.prior),
    )
    asked = [candidate for candidate in fitting if candidate.name not in left_out]
    if not asked:
        asked = [candidate for candidate in fitting if left_out[candidate.name].reason == NOT_ASKED_REASON_PROBATION]
    if not asked:
        asked = standby[:k]
        for candidate in asked:
            message = f"nobody else can be asked now, so {candidate.name} is: {left_out[candidate.name].message}"
            ledger.degrade(DEGRADED_REASON_LAST_RESORT, message, candidate.name)
    standby = [candidate for candidate in standby if candidate not in asked]
    for candidate in standby:
        why = left_out[candidate.name]
        ledger.add_not_asked(why.candidate, why.reason, why.message)
        if why.reason != NOT_ASKED_REASON_PROBATION:
            ledger.drop(DEGRADED_REASON_CANDIDATE_FAILED, why.message, why.candidate)
    return asked, standby


def _fitting(
    specs: Sequence[Candidate],
    left_out: Container[str],
    snapshot: PoolSnapshot,
    policy: Policy,
    max_output_tokens: int,
    prompt_tokens: int,
    ledger: RouteLedger,
) -> list[RouteCandidate]:
    """Returns the candidates whose context window has room for the prompt and the boot tokens."""
    candidates: list[RouteCandidate] = []
    for spec in specs:
        boot = min(spec.max_boot_tokens or policy.boot_tokens, max_output_tokens)
        read = prompt_tokens + spec.fixed_input_tokens
        room = spec.context_window - read if spec.context_window else max_output_tokens
        if room < boot:
            message = (
                f"the prompt of about {read} tokens, the candidate's own instructions included, and {boot} boot tokens "
                f"exceed the context window of {spec.name}, {spec.context_window} tokens"
            )
            if spec.name not in left_out:
                ledger.drop(DEGRADED_REASON_CONTEXT_WINDOW, message, spec.name)
            ledger.add_not_asked(spec.name, NOT_ASKED_REASON_CONTEXT_WINDOW, message)
            continue
        target = snapshot.targets[spec.name]
        output = min(max_output_tokens, room)
        candidates.append(RouteCandidate(spec.name, spec, target, boot, output, policy.category))
    if not candidates:
        largest = max(spec.context_window for spec in specs)
        message = f"about {prompt_tokens} tokens exceed every allowed candidate's context window, {largest} at most"
        raise invalid("prompt.messages", message, ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    return candidates


def _helper(
    snapshot: PoolSnapshot, name: str | None, sampling: Sampling, why_not: WhyNot, needed: Sequence[Need] = ()
) -> RouteCandidate | None:
    """Returns the candidate that the pool names for judging or merging; it need not take part itself.

    Returns None if the pool names none, or if the named candidate is missing, evicted, unable to deliver now, or lacks
    what is `needed`.
    """
    spec = snapshot.candidates.get(name) if name else None
    if name is None or spec is None or spec.state == CANDIDATE_STATE_EVICTED or why_not(spec) or lacks(spec, needed):
        return None
    tokens = sampling.max_output_tokens
    return RouteCandidate(name, spec, snapshot.targets[name], tokens, tokens)
