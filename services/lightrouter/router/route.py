"""The route of a request: admit, boot, select, decide, complete, aggregate, answer; under worth: admit, ask, select."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import NoOpTracer, Span, Tracer

from lightrouter.router.actions import acts, voted
from lightrouter.router.call_times import CallTimes
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import BootRanking, Merged, RouteContext
from lightrouter.router.events import Events
from lightrouter.router.finish import complete_first, is_interrupted
from lightrouter.router.forms import form_of, mended
from lightrouter.router.helpers import synthesizer_of
from lightrouter.router.holding import usual_chance
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.availability import Availability
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.quote import quote_of
from lightrouter.router.records import recording_all
from lightrouter.router.rules import Defaults, Shares
from lightrouter.router.stages.adaptive import AdaptiveDrafts, complete_by_gain
from lightrouter.router.stages.admit import admit, reserve_boots
from lightrouter.router.stages.aggregate import Aggregator, aggregate, best
from lightrouter.router.stages.boot import boot
from lightrouter.router.stages.complete import complete
from lightrouter.router.stages.decide import decide, selection_of
from lightrouter.router.stages.outright import Outright
from lightrouter.router.stages.plan import Plan, Step, UnknownGains, booting, outright_policy, plan, with_policy
from lightrouter.router.stages.select import Selector, select
from lightrouter.router.stages.shortlist import is_needed, shortlist
from lightrouter.router.stages.streaming import stream_completion
from lightrouter.router.telemetry import spans
from lightrouter.router.telemetry.observers import Observer, RouteRecord, notifying
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_ANSWER_NOT_WHOLE,
    DEGRADED_REASON_COST_CEILING,
    STAGE_AGGREGATE,
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    STAGE_SHORTLIST,
    Stage,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    Policy,
)
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_GAIN,
    SELECTION_REASON_NO_BOOT,
    SELECTION_REASON_ONLY_ONE,
    Answer,
    Prompt,
    QuoteResponse,
    Selection,
)


class Router:
    """Answers prompts with the candidates of a pool."""

    def __init__(
        self,
        traffic: TrafficMonitor,
        models: Models,
        selector: Selector,
        aggregator: Aggregator,
        defaults: Defaults,
        new_seed: Callable[[], int],
        shares: Shares | None = None,
        tracer: Tracer | None = None,
        observers: Sequence[Observer] = (),
        capture: TextCapture = NOTHING,
        availability: Availability | None = None,
        times: CallTimes | None = None,
    ) -> None:
        """Takes its collaborators.

        Args:
            traffic: The current pool; observes every route.
            models: The candidates' models.
            selector: Ranks the partials.
            aggregator: Merges the drafts.
            defaults: The values for what a request leaves out.
            new_seed: Returns a seed, 0 to 2^31 - 1, for a request without one.
            shares: The stages' shares of the time; None for the defaults.
            tracer: Makes the spans; None for no spans.
            observers: Further observers of every route.
            capture: Puts text on spans.
            availability: Knows which candidates cannot deliver now; None if all can.
            times: Observes the calls; None for new observations.
        """
        self._traffic = traffic
        self._models = models
        self._selector = selector
        self._aggregator = aggregator
        self._tracer = tracer or NoOpTracer()
        self._defaults = defaults
        self._shares = shares or Shares()
        self._new_seed = new_seed
        self._observers = (traffic, *observers)
        self._capture = capture
        self._availability = availability or Availability()
        self._least_tokens: dict[str, int] = {}
        self._times = times or CallTimes()
        self._unknown_gains = UnknownGains()

    async def route(self, prompt: Prompt, deadline: Deadline, events: Events, caller: str = "") -> Answer:
        """Returns the answer to a prompt of `caller`, valid by the rules of the protos.

        If it is cancelled, it cancels every running call and makes no more.

        Raises:
            ServiceError: The request cannot be served, or no candidate delivered.
        """
        availability = self._availability
        ledger = RouteLedger(availability.failed, spans.degraded, spans.dropped, availability.pause)
        record = RouteRecord(ledger, caller=caller)
        with (
            spans.traced(self._tracer, names.ROUTE, deadline) as span,
            notifying(self._observers, record, deadline, events),
        ):
            return await self._route(prompt, deadline, events, span, record)

    async def _route(
        self, prompt: Prompt, deadline: Deadline, events: Events, span: Span, record: RouteRecord
    ) -> Answer:
        self._capture.asked(span, prompt.messages)
        span.set_attribute(names.ROUTE_ID, record.route_id)
        if record.caller:
            span.set_attribute(names.CALLER, record.caller)
        ledger = record.ledger
        route = await self._admit(prompt, deadline, events, ledger)
        record.stops = bool(route.admission.sampling.stop)
        route, planned = await self._plan(route, prompt)
        if not planned.steps:
            route = await self._with_boots(route)
        policy = record.policy = route.admission.policy
        outright = planned.steps[:1] if not planned.boots else ()
        first = [step.candidate for step in outright] or route.admission.candidates
        events.started(record.route_id, policy, [candidate.name for candidate in first])
        async with recording_all(route):
            merged, selection = await (
                self._answer_by_worth(route, record, planned) if planned.steps else self._answer(route, record)
            )

        if is_interrupted(merged.finish_reason):
            message = "the answer may not be whole: its provider ended it, and nobody wrote a whole one"
            ledger.degrade(DEGRADED_REASON_ANSWER_NOT_WHOLE, message)
        record.answer = answer = Answer(
            text=merged.text,
            finish_reason=merged.finish_reason,
            tool_calls=merged.tool_calls,
            candidates=merged.candidates,
            trace_id=spans.trace_id(span),
            selection=selection,
            aggregator=merged.strategy,
            ledger=ledger.to_proto(),
            degraded=ledger.degraded,
            route_id=record.route_id,
            contradictions=merged.contradictions,
        )
        if merged.author:
            answer.candidate, answer.state = merged.author, route.states.get(merged.author, b"")
        spans.answered(span, answer)
        self._capture.answered(span, answer.text, answer.finish_reason, answer.tool_calls)
        return answer

    async def quote(self, prompt: Prompt, deadline: Deadline) -> QuoteResponse:
        """Returns what the answer to a prompt is expected to cost, without a model call.

        Raises:
            ServiceError: The request cannot be served.
        """
        with spans.traced(self._tracer, names.QUOTE, deadline):
            ledger = RouteLedger(on_degraded=spans.degraded, on_dropped=spans.dropped)
            admitted = await self._admit(prompt, deadline, Events(), ledger)
            route, planned = await self._plan(admitted, prompt, to_the_end=True)
            return quote_of(route if planned.steps else await self._with_boots(route), planned)

    async def _admit(self, prompt: Prompt, deadline: Deadline, events: Events, ledger: RouteLedger) -> RouteContext:
        admission, budget = admit(
            prompt,
            self._traffic.snapshot(),
            self._defaults,
            self._new_seed(),
            ledger,
            self._availability.why_not,
            self._least_tokens,
            await form_of(prompt.output),
        )
        return RouteContext(admission, deadline, self._shares, ledger, budget, events, self._times)

    async def _plan(
        self, route: RouteContext, prompt: Prompt, *, to_the_end: bool = False
    ) -> tuple[RouteContext, Plan]:
        """Returns the route with the policy in force and its plan; without steps if worth decides nothing."""
        policy = route.admission.policy
        if not policy.HasField("worth_nanousd"):
            return route, Plan([])
        outright = with_policy(route, outright_policy(policy, prompt.policy, self._defaults.maxima.k))
        with self._stage(route, STAGE_SHORTLIST, names.SHORTLIST) as span:
            planned = await plan(outright, prompt, self._selector, self._unknown_gains, to_the_end=to_the_end)
            spans.shortlisted(span, [step.candidate for step in planned.boots or planned.steps[:1]])
        if planned.steps:
            return booting(outright, planned) if planned.boots else outright, planned
        policy.ClearField("worth_nanousd")
        return route, planned

    async def _with_boots(self, route: RouteContext) -> RouteContext:
        """Returns the route with the candidates that boot."""
        route = reserve_boots(route)
        if is_needed(route):
            with self._stage(route, STAGE_SHORTLIST, names.SHORTLIST) as span:
                route = await shortlist(route, self._selector, self._defaults.exploring_share)
                spans.shortlisted(span, route.admission.candidates)
        return route

    async def _answer_by_worth(
        self, route: RouteContext, record: RouteRecord, planned: Plan
    ) -> tuple[Merged, Selection]:
        """Gets one whole answer after the other, the first one after boots if so planned; see `_answer`."""
        asking = Outright(route, self._models, planned)
        begun = await self._boot(route, record) if planned.boots else None
        with self._stage(route, STAGE_COMPLETE, names.COMPLETE) as span:
            await (asking.finish(begun[0], begun[2][0]) if begun else asking.ask_first())
            while step := await self._next_step(route, asking):
                await asking.ask(step)
            spans.completing(span, asking.answers)
        record.selection = asking.selection
        drafts, streamed = asking.drafts(), asking.streamed
        if streamed and len(streamed.candidates) > 1:
            return Merged(streamed.text, streamed.finish_reason, streamed.candidates, AGGREGATOR_STRATEGY_BEST), (
                asking.selection
            )
        sent = streamed.candidates[0] if streamed else ""
        return await self._merge(route, asking.ranking, drafts, sent), asking.selection

    async def _next_step(self, route: RouteContext, asking: Outright) -> Step | None:
        """Ranks the answers; returns the further step that is worth its cost, None if there is none."""
        with self._stage(route, STAGE_SELECT, names.SELECT) as span:
            step = asking.decide(await select(route, asking.answers, self._selector, asking.unasked))
            spans.selected(span, asking.selection)
        route.events.selected(asking.selection)
        return step

    async def _answer(self, route: RouteContext, record: RouteRecord) -> tuple[Merged, Selection]:
        """Runs the stages from the boot on; returns the answer and the last selection."""
        ranking, selection, chosen = await self._boot(route, record)
        if selection.reason != SELECTION_REASON_GAIN:
            return await self._complete(route, ranking, chosen), selection
        adaptive = await self._complete_by_gain(route, ranking, chosen[0])
        record.selection = adaptive.selection
        drafts = await mended(route, self._models, adaptive.drafts, adaptive.ranking.boots)
        return await self._merge(route, adaptive.ranking, drafts), adaptive.selection

    async def _boot(
        self, route: RouteContext, record: RouteRecord
    ) -> tuple[BootRanking, Selection, Sequence[BootResult]]:
        """Runs the boot stage, ranks its partials and decides which candidates go on."""
        with self._stage(route, STAGE_BOOT, names.BOOT) as boot_span:
            boots = await boot(route, self._models)
            spans.booted(boot_span, route.admission.policy, boots)
        record.boots = tuple(boots)
        ranking, selection, chosen = await self._select(route, boots)
        record.selection = selection
        return ranking, selection, chosen

    async def _select(
        self, route: RouteContext, boots: Sequence[BootResult]
    ) -> tuple[BootRanking, Selection, Sequence[BootResult]]:
        """Ranks the boots and decides which candidates go on."""
        with self._stage(route, STAGE_SELECT, names.SELECT) as span:
            ranking = await select(route, boots, self._selector)
            selection, chosen = _decide(route, ranking)
            spans.selected(span, selection)
        route.events.selected(selection)
        self._note(route.admission.policy, boots, selection)
        return ranking, selection, chosen

    def _note(self, policy: Policy, boots: Sequence[BootResult], selection: Selection) -> None:
        """Observes for later routes how long the boots waited for the choice, and which of them were chosen."""
        now, usual = time.monotonic(), usual_chance(policy, len(boots))
        for booted in boots:
            name = booted.candidate.name
            self._times.note_wait(name, policy.selector, now - booted.delivered_at)
            if not booted.ended:
                self._times.note_choice(name, chosen=name in selection.chosen, usual=usual)

    async def _complete_by_gain(self, route: RouteContext, ranking: BootRanking, first: BootResult) -> AdaptiveDrafts:
        """Completes one draft after the other, while one more is worth its price."""

        async def rank(boots: Sequence[BootResult]) -> BootRanking:
            with self._stage(route, STAGE_SELECT, names.SELECT) as span:
                ranking = await select(route, boots, self._selector)
                finished = [boot for boot in ranking.boots if boot.ended]
                selection = selection_of(ranking, finished[: route.admission.policy.k], SELECTION_REASON_GAIN)
                spans.selected(span, selection)
            route.events.selected(selection)
            return ranking

        with self._completion(route, [first]):
            return await complete_by_gain(route, self._models, ranking, first, rank)

    async def _complete(self, route: RouteContext, ranking: BootRanking, chosen: Sequence[BootResult]) -> Merged:
        """Completes the drafts of the chosen candidates and makes the answer of them."""
        if route.events.wants_text and len(chosen) == 1 and _can_stream(route, chosen[0]):
            with self._completion(route, chosen):
                streamed = await stream_completion(route, self._models, chosen[0], ranking.boots)
            return Merged(
                streamed.text,
                streamed.finish_reason,
                streamed.candidates,
                AGGREGATOR_STRATEGY_BEST,
                tool_calls=streamed.tool_calls,
            )
        with self._completion(route, chosen):
            drafts = await complete(route, self._models, ranking, chosen)
            drafts = await mended(route, self._models, drafts, ranking.boots)
        return await self._merge(route, ranking, drafts)

    async def _merge(
        self, route: RouteContext, ranking: BootRanking, drafts: Sequence[Draft], sent: str = ""
    ) -> Merged:
        """Makes the answer of the drafts; an interrupted draft counts only if there is no other.

        `sent` is the candidate whose draft the caller has already got as it was written.
        """
        drafts = complete_first(drafts)
        if acts(drafts):
            return voted(route, drafts)
        form, strategy = route.admission.form, route.admission.policy.aggregator
        # A model that merges might break the form.
        kept = strategy == AGGREGATOR_STRATEGY_SYNTHESIZE and form is not None and form.has_form
        if len(drafts) == 1 or kept or strategy == AGGREGATOR_STRATEGY_BEST:
            first = drafts[0]
            if first.candidate == sent:
                return Merged(first.text, first.finish_reason, [sent], AGGREGATOR_STRATEGY_BEST)
            return best(route, drafts, restart=bool(sent))
        with self._stage(route, STAGE_AGGREGATE, names.AGGREGATE) as span:
            candidates = _candidates_of(ranking, drafts)
            merged = await aggregate(route, drafts, candidates, self._aggregator, restart=bool(sent))
            spans.merged(span, merged)
        return merged

    @contextmanager
    def _completion(self, route: RouteContext, chosen: Sequence[BootResult]) -> Iterator[None]:
        """Traces the completion stage, unless all drafts are finished."""
        if all(boot.ended for boot in chosen):
            yield
            return
        with self._stage(route, STAGE_COMPLETE, names.COMPLETE) as span:
            spans.completing(span, chosen)
            yield

    @contextmanager
    def _stage(self, route: RouteContext, stage: Stage.ValueType, name: str) -> Iterator[Span]:
        """Traces a stage and records its duration, without that of the stages within it."""
        with route.ledger.staged(stage), spans.traced(self._tracer, name, route.deadline, name) as span:
            yield span


def _can_stream(route: RouteContext, chosen: BootResult) -> bool:
    """Returns whether a draft may go out as it is written: only its end tells whether it is JSON, or calls a tool."""
    form = route.admission.form
    return form is None or not (form.has_form or (form.must_call and not chosen.partial.tool_calls))


def _decide(route: RouteContext, ranking: BootRanking) -> tuple[Selection, Sequence[BootResult]]:
    admission = route.admission
    merging = admission.policy.aggregator == AGGREGATOR_STRATEGY_SYNTHESIZE

    def afford(ranked: Sequence[BootResult], k: int) -> Sequence[BootResult]:
        return route.budget.choose(ranked, k, synthesizer_of(route), merging=merging)

    selection, chosen = decide(ranking, admission.policy, afford, homogeneous=admission.homogeneous)
    if admission.author and selection.reason == SELECTION_REASON_ONLY_ONE:
        selection.reason = SELECTION_REASON_NO_BOOT
    if selection.reason == SELECTION_REASON_COST_CEILING:
        message = f"the cost ceiling lets only {', '.join(selection.chosen)} go on"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
    return selection, chosen


def _candidates_of(ranking: BootRanking, drafts: Sequence[Draft]) -> list[RouteCandidate]:
    by_name = {boot.candidate.name: boot.candidate for boot in ranking.boots}
    return [by_name[draft.candidate] for draft in drafts]
