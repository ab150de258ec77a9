"""The lab's routes in one process and the suite over gRPC: the same answers, the same ledgers."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from lightrouter.lab.policies.engine import Engine, opened, to_prompt
from lightrouter.pool import file as pool_file
from lightrouter.recording.load import load
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_CANDIDATE_FAILED, STAGE_BOOT, LedgerEntry
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Prompt, SelectionReason
from tests.recordings import write
from tests.suite import rig

PROMPTS = 200
MODELS = ("steady", "Wordy/7B", "terse", "forgetful")
LETTER = AnswerPattern(re2=r"answer is ([A-D])")
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


async def test_the_lab_and_the_suite_give_the_same_answers_and_ledgers() -> None:
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder / "data.jsonl.gz", [recorded(number, chance) for number in range(PROMPTS)])
        entries = [
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
        recording = load(path)
        # Nobody is too slow on a busy machine.
        policies = [Policy(quorum=1.0, hold=hold) for _ in POLICIES for hold in (Hold.HOLD_NEVER, Hold.HOLD_ALWAYS)]
        for place, policy in enumerate(policies):
            policy.MergeFrom(POLICIES[place // 2])
        prompts = [to_prompt(each, policies[place % len(policies)]) for place, each in enumerate(recording.prompts)]
        async with rig.running(folder, *entries) as suite:
            served = [comparable(await suite.complete(prompt), held=is_held(prompt)) for prompt in prompts]
        pool = pool_file.load(folder / "pool.yaml")
        async with opened(Engine(recording, list(pool.entries.values()))) as engine:
            routed = [comparable(await engine.route(prompt), held=is_held(prompt)) for prompt in prompts]

    for here, there in zip(routed, served, strict=True):
        assert here == there
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
