from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lightrouter.recording.load import RecordingError, load_labelled
from lightrouter.recording.prompts import Asked, read
from lightrouter.recording.recorder import OtherRecordingError, Recorded, Recorder, able, recorded_names
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_EVICTED, Candidate, Prices, PromptTier
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.ledger_pb2 import Ledger, LedgerEntry
from lightrouter.v1.router_pb2 import Answer, Prompt
from tests.recordings import write

CANDIDATES = [Candidate(name="fast", model="Fast/1B"), Candidate(name="deep", model="deep")]


class Router:
    """Answers with the candidate's name; fails or hangs on request."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[str, ServiceError] = {}
        self.hangs_after = 100
        self.hung = asyncio.Event()

    async def __call__(self, prompt: Prompt) -> Answer:
        [candidate] = prompt.policy.candidates
        self.asked.append(candidate)
        if len(self.asked) > self.hangs_after:
            self.hung.set()
            await asyncio.Event().wait()
        if error := self.fails.pop(candidate, None):
            raise error
        entry = LedgerEntry(candidate=candidate, usage=Usage(input_tokens=7, output_tokens=3))
        entry.elapsed.FromMilliseconds(250)
        ledger = Ledger(entries=[entry], usage=entry.usage, cost_nanousd=2_000_000)
        return Answer(text=f"{candidate}: the answer is B", ledger=ledger)


@pytest.fixture
def prompts(tmp_path: Path) -> list[Asked]:
    lines = [{"id": str(number), "prompt": f"{number}?", "answer": "B"} for number in range(3)]
    return read(write(tmp_path / "prompts.jsonl", lines), "choice")


async def record(router: Router, path: Path, prompts: Sequence[Asked], concurrency: int = 2) -> Recorder:
    with Recorded(path, prompts) as recorded:
        recorder = Recorder(router, recorded, concurrency, 100)
        done: list[None] = []
        await recorder.record(prompts, CANDIDATES, lambda: done.append(None))
        assert len(done) == len(prompts) * len(CANDIDATES)
        recorded.save()
    return recorder


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
async def test_every_response_is_recorded_and_scored(tmp_path: Path, prompts: list[Asked], name: str) -> None:
    path = tmp_path / name
    await record(Router(), path, prompts)
    labelled = load_labelled(path)
    assert [prompt.id for prompt in labelled.recording.prompts] == ["0", "1", "2"]
    response = labelled.recording.prompts[0].responses["Fast/1B"]
    assert (response.text, response.input_tokens, response.output_tokens) == ("fast: the answer is B", 7, 3)
    assert (response.cost_usd, response.latency_s) == (0.002, 0.25)
    assert labelled.labels[0].quality == {"Fast/1B": 1.0, "deep": 1.0}
    assert labelled.labels[0].answers["deep"] == "B"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "prompts.jsonl"])


async def test_a_run_that_is_stopped_is_gone_on_with(tmp_path: Path, prompts: list[Asked]) -> None:
    path = tmp_path / "out.jsonl"
    router = Router()
    await stopped(router, path, prompts)
    assert not path.exists()
    # As if the process had been killed while it wrote.
    with (tmp_path / "out.jsonl.partial").open("a") as journal:
        journal.write('{"id": "2", "mod')
    again = Router()
    await record(again, path, prompts)
    assert sorted(again.asked) == ["deep", "fast"]
    assert [len(prompt.responses) for prompt in load_labelled(path).recording.prompts] == [2, 2, 2]


async def test_missing_responses_are_asked_for_again(tmp_path: Path, prompts: list[Asked]) -> None:
    path = tmp_path / "out.jsonl.gz"
    router = Router()
    failure = Failure(reason=ErrorReason.ERROR_REASON_UPSTREAM_ERROR, message="the provider failed")
    router.fails["deep"] = ServiceError(
        Code.UNAVAILABLE, ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED, "none", failures={"deep": failure}
    )
    recorder = await record(router, path, prompts, concurrency=1)
    assert recorder.failures == ["0, deep: the provider failed"]
    again = Router()
    assert not (await record(again, path, prompts)).failures
    assert again.asked == ["deep"]


async def test_a_busy_router_is_asked_again(tmp_path: Path, prompts: list[Asked]) -> None:
    router = Router()
    busy = ServiceError(Code.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_OVERLOADED, "busy", retry_after=0.0)
    router.fails["fast"] = busy
    assert not (await record(router, tmp_path / "out.jsonl", prompts)).failures
    assert len(router.asked) == 7


async def test_a_router_that_is_away_ends_the_run(tmp_path: Path, prompts: list[Asked]) -> None:
    router = Router()
    away = ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE, "no route")
    router.fails["deep"] = away
    with pytest.raises(ServiceError) as caught:
        await record(router, tmp_path / "out.jsonl", prompts)
    assert caught.value is away


async def test_another_recording_is_not_written_over(tmp_path: Path, prompts: list[Asked]) -> None:
    path = tmp_path / "out.jsonl"
    await record(Router(), path, prompts)
    with pytest.raises(OtherRecordingError, match="records another prompt, 2; name another file with --out"):
        Recorded(path, prompts[:2])
    path.write_text("broken")
    with pytest.raises(RecordingError):
        Recorded(path, prompts)


@pytest.mark.parametrize(
    ("models", "names"),
    [
        ({"a": "m", "b": "m", "c": "M/2"}, {"a": "a", "b": "b", "c": "M/2"}),
        ({"a": "a", "b": "B b/\u00fc"}, {"a": "a", "b": "B b/\u00fc"}),
        ({"a": "", "b": ""}, {"a": "a", "b": "b"}),
        # A model that has another candidate's name.
        ({"a": "m", "b": "m", "c": "a"}, {"a": "a", "b": "b", "c": "c"}),
        ({"a": "b", "b": "a"}, {"a": "a", "b": "b"}),
        ({"a": "", "b": "a"}, {"a": "a", "b": "b"}),
    ],
)
def test_each_candidate_is_recorded_under_a_name_of_its_own(models: dict[str, str], names: dict[str, str]) -> None:
    pool = [Candidate(name=name, model=model) for name, model in models.items()]
    assert recorded_names(pool) == names


async def test_the_candidates_of_one_model_stay_apart_if_they_are_recorded_one_by_one(
    tmp_path: Path, prompts: list[Asked]
) -> None:
    path, router = tmp_path / "out.jsonl", Router()
    pool = [Candidate(name="hot", model="m"), Candidate(name="cold", model="m")]
    for candidate in pool:
        with Recorded(path, prompts) as recorded:
            await Recorder(router, recorded, 1, 100).record(prompts, [candidate], lambda: None, pool)
            recorded.save()
    assert router.asked == ["hot"] * 3 + ["cold"] * 3
    responses = load_labelled(path).recording.prompts[0].responses
    assert {name: response.text[:4] for name, response in responses.items()} == {"hot": "hot:", "cold": "cold"}


def test_evicted_candidates_are_not_asked() -> None:
    evicted = Candidate(name="out", state=CANDIDATE_STATE_EVICTED)
    assert able([*CANDIDATES, evicted], []) == CANDIDATES
    assert able([*CANDIDATES, evicted], ["deep", "out"]) == CANDIDATES[1:]


def correct(folder: Path, answer: str = "B", **members: object) -> list[Asked]:
    lines = [{"id": str(number), "prompt": f"{number}?", "answer": answer, **members} for number in range(3)]
    return read(write(folder / "prompts.jsonl", lines), "choice")


async def stopped(router: Router, path: Path, prompts: Sequence[Asked]) -> None:
    router.hangs_after = 4
    running = asyncio.create_task(record(router, path, prompts))
    await router.hung.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("whole", [True, False])
async def test_a_corrected_answer_is_scored_anew_and_nobody_is_asked(
    tmp_path: Path, prompts: list[Asked], whole: bool
) -> None:
    path = tmp_path / "out.jsonl"
    router = Router()
    await (record if whole else stopped)(router, path, prompts)
    asked = len(router.asked[: 6 if whole else 4])
    again = Router()
    await record(again, path, correct(tmp_path, "C"))
    assert len(again.asked) == 6 - asked
    labelled = load_labelled(path)
    assert [labels.answer for labels in labelled.labels] == ["C"] * 3
    assert {quality for labels in labelled.labels for quality in labels.quality.values()} == {0.0}


@pytest.mark.parametrize(
    "lines",
    [
        [{"id": str(number), "prompt": f"another {number}?"} for number in range(3)],
        [{"id": str(number), "prompt": f"{number + 1}?"} for number in range(3)],
        [{"id": str(number), "messages": [{"role": "system", "content": f"{number}?"}]} for number in range(3)],
        [{"id": "9", "prompt": "9?"}],
    ],
)
async def test_responses_never_come_under_another_prompt(
    tmp_path: Path, prompts: list[Asked], lines: list[dict[str, object]]
) -> None:
    path = tmp_path / "out.jsonl"
    await stopped(Router(), path, prompts)
    changed = read(write(tmp_path / "changed.jsonl", lines))
    before = path.with_name("out.jsonl.partial").read_bytes()
    with pytest.raises(OtherRecordingError, match="records another prompt, "):
        Recorded(path, changed)
    assert path.with_name("out.jsonl.partial").read_bytes() == before


async def test_an_unfinished_recording_of_an_earlier_release_is_not_guessed_at(
    tmp_path: Path, prompts: list[Asked]
) -> None:
    partial = tmp_path / "out.jsonl.partial"
    partial.write_text('{"id": "0", "model": "deep", "response": {"text": "x"}}\n')
    with pytest.raises(OtherRecordingError, match=r"out.jsonl.partial:1: an earlier release wrote it"):
        Recorded(tmp_path / "out.jsonl", prompts)
    partial.write_text("[]\n")
    with pytest.raises(RecordingError, match=r"out.jsonl.partial:1: is no JSON of a response"):
        Recorded(tmp_path / "out.jsonl", prompts)


CHANGED = {
    "prices": Candidate(name="deep", model="deep", prices=Prices(input_nanousd_per_million=1)),
    "prices for the cache": Candidate(name="deep", model="deep", prices=Prices(cache_write_nanousd_per_million=1)),
    "prices of a tier": Candidate(
        name="deep", model="deep", prices=Prices(tiers=[PromptTier(above_input_tokens=1, output_nanousd_per_million=1)])
    ),
    "provider": Candidate(name="deep", model="deep", provider="other"),
}


@pytest.mark.parametrize("what", [*CHANGED, "max_output_tokens", "endpoint, sampling or instructions"])
@pytest.mark.parametrize("whole", [True, False])
async def test_responses_of_another_origin_are_not_mixed(
    tmp_path: Path, prompts: list[Asked], what: str, whole: bool
) -> None:
    path = tmp_path / "out.jsonl"

    async def go(router: Router, candidates: Sequence[Candidate], most: int, entry: str) -> Recorder:
        with Recorded(path, prompts) as recorded:
            recorder = Recorder(router, recorded, 1, most, {"deep": entry})
            await recorder.record(prompts, candidates, lambda: None)
            recorded.save()
        return recorder

    first = Router()
    if not whole:
        failure = ServiceError(Code.DEADLINE_EXCEEDED, ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED, "slow")
        first.fails["deep"] = failure
    await go(first, CANDIDATES, 100, "v1")
    changed = [CANDIDATES[0], CHANGED.get(what, CANDIDATES[1])]
    most = 200 if what == "max_output_tokens" else 100
    entry = "v2" if what.startswith("endpoint") else "v1"
    again = Router()
    if whole:
        # All that could be of another origin is there: nothing is mixed.
        await go(again, changed, most, entry)
    else:
        with pytest.raises(
            OtherRecordingError,
            match=f"deep was recorded with another {what.split(' ', maxsplit=1)[0]}.*; name another file",
        ):
            await go(again, changed, most, entry)
        await go(again, CANDIDATES[:1], 100, "v1")
    assert not again.asked
    # If the pool file is unknown, the rest decides.
    await go(again, CANDIDATES, 100, "")
    assert len(again.asked) == (not whole)


@pytest.mark.parametrize(
    ("task", "answer", "label"),
    [
        ("numeric", 391, "391"),
        ("numeric", 0.5, "0.5"),
        ("numeric", -3, "-3"),
        ("numeric", "1e3", "1e3"),
        ("exact", ["B", "b"], "B"),
        ("exact", "B", "B"),
    ],
)
async def test_a_label_of_any_kind_is_kept(tmp_path: Path, task: str, answer: object, label: str) -> None:
    lines = [{"id": "0", "prompt": "?", "answer": answer, "task": task}]
    path = tmp_path / "out.jsonl"
    await record(Router(), path, read(write(tmp_path / "prompts.jsonl", lines)))
    assert [labels.answer for labels in load_labelled(path).labels] == [label]
    # The recording itself says how it is scored, and can be asked or scored again.
    [again] = read(path)
    assert (again.members["answer"], again.members["task"]) == (answer, task)


async def test_labels_that_the_prompts_do_not_have_stay(tmp_path: Path, prompts: list[Asked]) -> None:
    path = tmp_path / "out.jsonl"
    await record(Router(), path, prompts)
    bare = read(write(tmp_path / "bare.jsonl", [{"id": str(number), "prompt": f"{number}?"} for number in range(3)]))
    await record(Router(), path, bare)
    labelled = load_labelled(path)
    assert [labels.answer for labels in labelled.labels] == ["B"] * 3
    assert labelled.labels[0].quality == {"Fast/1B": 1.0, "deep": 1.0}


async def test_a_correction_needs_no_task_where_the_recording_has_it(tmp_path: Path, prompts: list[Asked]) -> None:
    path = tmp_path / "out.jsonl"
    await record(Router(), path, prompts[:2])
    # The same conversations, written in another way.
    turns = [[{"role": "user", "content": f"{number}?"}] for number in range(2)]
    lines = [{"id": str(number), "messages": turns[number], "answer": "C"} for number in range(2)]
    await record(Router(), path, read(write(tmp_path / "corrected.jsonl", lines)))
    labelled = load_labelled(path)
    assert [labels.answer for labels in labelled.labels] == ["C"] * 2
    assert {quality for labels in labelled.labels for quality in labels.quality.values()} == {0.0}
    [first, _] = read(path)
    assert (first.members["task"], "prompt" in first.members) == ("choice", False)


async def test_further_members_of_a_recording_stay(tmp_path: Path) -> None:
    lines = [{"id": "0", "prompt": "?", "source": "exam", "answer": "B", "responses": {"deep": {"text": "B"}}}]
    path = write(tmp_path / "out.jsonl", lines)
    await record(Router(), path, read(write(tmp_path / "prompts.jsonl", [{"id": "0", "prompt": "?"}])))
    [line] = [json.loads(each) for each in path.read_text().splitlines()]
    assert (line["source"], line["answer"], sorted(line["responses"])) == ("exam", "B", ["Fast/1B", "deep"])
    assert line["responses"]["deep"] == {"text": "B"}


async def test_a_prompt_may_say_its_own_token_limit(tmp_path: Path) -> None:
    limits = []

    class Watched(Router):
        async def __call__(self, prompt: Prompt) -> Answer:
            limits.append((prompt.sampling.max_output_tokens, prompt.policy.boot_tokens))
            return await super().__call__(prompt)

    lines: list[dict[str, object]] = [
        {"prompt": "a", "max_output_tokens": 7},
        {"prompt": "b"},
        {"prompt": "c", "max_output_tokens": 5000},
    ]
    await record(Watched(), tmp_path / "out.jsonl", read(write(tmp_path / "prompts.jsonl", lines)))
    assert sorted(set(limits)) == [(7, 7), (100, 100), (5000, 4096)]
