"""The services, the suite in one process and the lab's engine: the same answers, ledgers, errors and spans."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, format_trace_id

from lightrouter.lab.policies.engine import Engine, opened, to_prompt
from lightrouter.pool import file as pool_file
from lightrouter.recording.load import load
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.telemetry import names
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_CANDIDATE_FAILED, STAGE_BOOT, LedgerEntry
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, SelectionReason
from tests.recordings import write
from tests.suite import rig
from tests.suite.tracing import CALLER_SPAN, Recorder, attribute, parent_id

PROMPTS = 200
MODELS = ("steady", "Wordy/7B", "terse", "forgetful")
LETTER = AnswerPattern(re2=r"answer is ([A-D])")
# What no two runs have in common.
VARIES = {names.ROUTE_ID, names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK}
# What a call that was held and dropped shows of where it was.
OF_DROPPED = {
    names.COST,
    names.ESTIMATED,
    names.GEN_AI_USAGE_INPUT_TOKENS,
    names.GEN_AI_USAGE_OUTPUT_TOKENS,
    names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    names.GEN_AI_RESPONSE_MODEL,
    names.GEN_AI_RESPONSE_FINISH_REASONS,
}
POLICIES = (
    Policy(boot_tokens=8, k=1, selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR),
    Policy(boot_tokens=20, k=2, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE, answer_pattern=LETTER),
    Policy(boot_tokens=5, k=3, selector=SelectorStrategy.SELECTOR_STRATEGY_RANDOM, margin=1, agreement=1),
    Policy(boot_tokens=60, k=2, margin=0.1),
    Policy(boot_tokens=12, k=2, max_cost_nanousd=3_000_000, candidates=["steady", "wordy-7b"]),
)


def recorded(number: int, chance: random.Random) -> dict[str, object]:
    """Returns a prompt with responses of any length, some of which were not recorded."""
    words = ("so", "the", "sum", "of", "both", "is", "not", "immeasurably", "12", "large,", "hence", "we\n\n", "see.")

    def said(least: int, most: int) -> dict[str, object]:
        text = " ".join(chance.choices(words, k=chance.randint(least, most)))
        return {"text": f"{text} The answer is {chance.choice('ABCD')}", "quality": chance.random()}

    responses = {"steady": said(0, 40), "Wordy/7B": said(40, 200), "terse": said(0, 3), "forgetful": said(0, 40)}
    responses["Wordy/7B"] |= {"output_tokens": chance.randint(50, 900), "input_tokens": 30}
    if chance.random() < 0.3:
        del responses["forgetful"]
    return {"id": f"p{number}", "prompt": f"What is {number} + {number}?", "responses": responses}


def may_be_dropped(entry: LedgerEntry, answer: Answer) -> bool:
    """Returns whether the line may be that of a call that was held and not chosen."""
    boots = entry.stage == STAGE_BOOT and not entry.went_on and not entry.HasField("failure")
    return boots and entry.candidate not in answer.selection.chosen


def is_held(prompt: Prompt) -> bool:
    return prompt.policy.hold == Hold.HOLD_ALWAYS


def comparable(answer: Answer, *, held: bool) -> Answer:
    """Returns the answer without times and ids, its lists in one order: calls end as they happen to.

    What a held call has written after its checkpoint when it is dropped is a matter of time too.
    """
    same = Answer()
    same.CopyFrom(answer)
    same.ClearField("route_id")
    same.ClearField("trace_id")
    for field in ("elapsed", "stages"):
        same.ledger.ClearField(field)
    for entry in same.ledger.entries:
        entry.ClearField("elapsed")
        entry.ClearField("time_to_first_token")
    dropped = [entry for entry in same.ledger.entries if held and may_be_dropped(entry, answer)]
    for field in ("usage", "cost_nanousd", "cost_basis", "finish_reason"):
        for entry in dropped:
            entry.ClearField(field)  # type: ignore[arg-type]  # the names are those of fields
    if dropped:
        same.ledger.ClearField("usage")
        same.ledger.ClearField("cost_nanousd")
    same.ledger.entries.sort(key=lambda entry: (entry.stage, entry.candidate, entry.cost_nanousd))
    same.degraded.sort(key=lambda each: (each.reason, each.candidate))
    return same


def entries_of(path: Path) -> list[rig.Entry]:
    return [
        {
            "name": model.lower().replace("/", "-"),
            "provider": "replay",
            "recording": path.name,
            "model": model,
            "prices": {"input": 1 + place, "output": 2 + place},
            "prior": 0.3 + place / 10,
            "continuation": "none" if model == "forgetful" else "trailing",
        }
        for place, model in enumerate(MODELS)
    ]


def recording_in(folder: Path) -> Path:
    chance = random.Random(5)
    return write(folder / "data.jsonl.gz", [recorded(number, chance) for number in range(PROMPTS)])


def trace_of(number: int) -> str:
    return f"{number + 1:032x}"


async def served(
    run: rig.Run, folder: Path, path: Path, prompts: Sequence[Prompt]
) -> tuple[list[Answer], dict[str, Counter[Shown]]]:
    """Returns the answers of a suite, and what its spans show of each trace."""
    recorder = Recorder()
    answers = []
    async with run(folder, *entries_of(path), spans=recorder) as suite:
        for number, asked in enumerate(prompts):
            caller = (("traceparent", f"00-{trace_of(number)}-{CALLER_SPAN:016x}-01"),)
            call = suite.stub.Complete(CompleteRequest(prompt=asked), timeout=600, metadata=caller)
            answers.append(comparable((await call).answer, held=is_held(asked)))
    assert not recorder.open
    return answers, shown(recorder.ended, {trace_of(number) for number, asked in enumerate(prompts) if is_held(asked)})


Shown = tuple[str, str, str, str, tuple[tuple[str, object], ...]]


def shown(spans: Sequence[ReadableSpan], held: Set[str]) -> dict[str, Counter[Shown]]:
    """Returns of each trace its spans but the calls between services: name, place, stage, candidate and attributes.

    A call that is held may be dropped at any time; what it shows of that is left out for the traces of `held`.
    """
    by_id = {span.context.span_id: span for span in spans if span.context}
    found: dict[str, Counter[Shown]] = {}
    for span in spans:
        assert span.context
        trace = format_trace_id(span.context.trace_id)
        if span.kind is not SpanKind.INTERNAL:
            continue
        above = by_id.get(parent_id(span))
        while above and above.kind is not SpanKind.INTERNAL:
            above = by_id.get(parent_id(above))
        place = above.name if above else ""
        stage, candidate = str(attribute(span, names.STAGE)), str(attribute(span, names.CANDIDATE))
        told = _told(span, VARIES | OF_DROPPED if trace in held else VARIES)
        found.setdefault(trace, Counter())[(span.name, place, stage, candidate, told)] += 1
    return found


def _told(span: ReadableSpan, left_out: Set[str]) -> tuple[tuple[str, object], ...]:
    return tuple(sorted((key, value) for key, value in (span.attributes or {}).items() if key not in left_out))


async def test_all_ways_give_the_same_answers_ledgers_and_spans(folder: Path) -> None:
    path = recording_in(folder)
    recording = load(path)
    # Nobody is too slow on a busy machine.
    policies = [Policy(quorum=1.0, hold=hold) for _ in POLICIES for hold in (Hold.HOLD_NEVER, Hold.HOLD_ALWAYS)]
    for place, policy in enumerate(policies):
        policy.MergeFrom(POLICIES[place // 2])
    prompts = [to_prompt(each, policies[place % len(policies)]) for place, each in enumerate(recording.prompts)]
    by_services, spans = await served(rig.running, folder, path, prompts)
    by_one, spans_of_one = await served(rig.one_process, folder, path, prompts)
    pool = pool_file.load(folder / "pool.yaml")
    async with opened(Engine(recording, list(pool.entries.values()))) as engine:
        routed = [comparable(await engine.route(prompt), held=is_held(prompt)) for prompt in prompts]

    for lab, one, services in zip(routed, by_one, by_services, strict=True):
        assert one == services
        assert lab == services
    assert len(spans) == PROMPTS
    for trace, of_services in spans.items():
        assert spans_of_one[trace] == of_services
    # What was compared is worth comparing: each kind of route took place.
    reasons = {answer.selection.reason for answer in routed}
    assert {
        SelectionReason.SELECTION_REASON_POLICY,
        SelectionReason.SELECTION_REASON_MARGIN,
        SelectionReason.SELECTION_REASON_COST_CEILING,
    } <= reasons
    failed = [each for answer in routed for each in answer.degraded if each.reason == DEGRADED_REASON_CANDIDATE_FAILED]
    assert all("has no response of forgetful" in each.message for each in failed)
    assert failed
    lines = [entry for answer in routed for entry in answer.ledger.entries]
    assert any(line.restarted for line in lines)
    assert any(line.went_on for line in lines)
    assert {answer.aggregator for answer in routed} == {
        AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE,
        AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
    }


WRONG: dict[str, Prompt] = {
    "not recorded": Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content="Who?")]),
    "no message": Prompt(),
    "a policy that breaks a rule": rig.prompt(Policy(boot_tokens=0, k=0, margin=2)),
    "a candidate that is not there": rig.prompt(Policy(candidates=["nobody"])),
    "a pattern that is none": rig.prompt(Policy(answer_pattern=AnswerPattern(re2="("))),
    "a ceiling that pays nobody": rig.prompt(Policy(max_cost_nanousd=1)),
}


async def errors(run: rig.Run, folder: Path, path: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    async with run(folder, *entries_of(path)) as suite:
        for what, asked in WRONG.items():
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await suite.complete(asked)
            error = from_rpc_error(caught.value)
            failures = {name: str(failure) for name, failure in error.failures.items()}
            found[what] = (error.code, error.reason, error.message, error.violations, error.retry_after, failures)
    return found


async def test_both_suites_give_the_same_errors(folder: Path) -> None:
    path = recording_in(folder)
    assert await errors(rig.one_process, folder, path) == await errors(rig.running, folder, path)
