"""`lightrouter pool check`: what a provider can do is found by asking it, and goes into the pool file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.pool_check import Finding, find, with_member
from lightrouter.cli.poolstore import read_file
from lightrouter.pool import file
from lightrouter.pool.choices import AbilityName, ContinuationStyle
from lightrouter.pool.schema import CandidateEntry
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

FIRST = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
NUMBERS = [*FIRST.split(), "seventeen", "eighteen", "nineteen", "twenty"]
NONE = ContinuationStyle.NONE
TRAILING = ContinuationStyle.TRAILING
PREFIX = ContinuationStyle.PREFIX
FINAL = ContinuationStyle.CONTINUE_FINAL_MESSAGE

Body = dict[str, Any]


def provider(
    goes_on: Callable[[Body], bool], *, refuses: Callable[[Body], str] = lambda _: "", echoes: bool = False
) -> Behaviour:
    """Behaves as a model that counts.

    `goes_on` says whether it goes on from a first part, `echoes` that it repeats that; `refuses` returns the words for
    what it refuses.
    """

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        if words := refuses(body):
            await behaviours.status(400, words)(exchange)
            return
        begun = body["messages"][-1]["content"] if ends_with_assistant(body) and goes_on(body) else ""
        rest = NUMBERS[len(begun.split()) and 18 :]
        tokens = [f"{begun} "] if echoes and begun else []
        tokens += [f" {number}," for number in rest] if begun and not echoes else [f"{number}, " for number in rest]
        tokens = tokens[: body["max_tokens"]]
        counts = {"prompt_tokens": 10, "completion_tokens": len(tokens)}
        usage = counts if "stream_options" in body else None
        await behaviours.stream([*map(behaviours.delta, tokens), behaviours.delta(finish="length")], usage)(exchange)

    return behave


async def document(exchange: Exchange) -> None:
    """Ignores `stream`."""
    await exchange.reply(json.dumps(behaviours.completion("one, two, three", "length")).encode())


def ends_with_assistant(body: Body) -> bool:
    return bool(body["messages"][-1]["role"] == "assistant")


def has_prefix(body: Body) -> bool:
    return bool(body["messages"][-1].get("prefix"))


def final(body: Body) -> bool:
    return bool(body.get("continue_final_message"))


CAN: dict[str, tuple[Behaviour, Finding]] = {
    "goes on": (provider(lambda _: True), Finding(TRAILING, True, True, [])),
    "goes on if it is told so": (provider(has_prefix), Finding(PREFIX, True, True, [])),
    "goes on from the final message": (
        provider(final, refuses=lambda body: "no" if ends_with_assistant(body) and not final(body) else ""),
        Finding(FINAL, True, True, []),
    ),
    "repeats the first part": (provider(lambda _: True, echoes=True), Finding(TRAILING, True, True, [])),
    "starts anew": (provider(lambda _: False), Finding(NONE, True, True, [])),
    "refuses to go on": (
        provider(lambda _: True, refuses=lambda body: "prefill is not supported" if ends_with_assistant(body) else ""),
        Finding(NONE, True, True, []),
    ),
    "refuses members": (
        provider(
            lambda _: True,
            refuses=lambda body: next((f"'{each}' is not supported" for each in ("seed", "stop") if each in body), ""),
        ),
        Finding(TRAILING, True, True, ["seed", "stop"]),
    ),
    "refuses a system message, and counts nothing": (
        provider(
            lambda _: True,
            refuses=lambda body: (
                "System role not supported"
                if body["messages"][0]["role"] == "system"
                else "'stream_options' is not supported"
                if "stream_options" in body
                else ""
            ),
        ),
        Finding(TRAILING, True, False, ["stream_options", "system role"]),
    ),
    "takes no small limit": (
        provider(
            lambda _: True,
            refuses=lambda body: "max_tokens must be at least 16" if body.get("max_tokens", 16) < 16 else "",
        ),
        Finding(TRAILING, True, True, ["fewer than 16 tokens"]),
    ),
    "does not stream": (document, Finding(NONE, False, True, [])),
}


@pytest.mark.parametrize("kind", CAN)
@pytest.mark.parametrize("entered", ["none", "trailing", "prefix"])
async def test_a_provider_is_known_by_what_it_does(kind: str, entered: str) -> None:
    behaviour, finding = CAN[kind]
    async with Upstream(behaviour) as upstream:
        members = {"name": "fast", "base_url": upstream.base_url, "model": "tiny", "continuation": entered}
        found = await find(CandidateEntry.model_validate(members))
    if entered == "prefix" and finding.continuation is TRAILING:
        # A provider that goes on in any case goes on if it is told so, too.
        assert found.continuation is PREFIX
    else:
        assert found.continuation is finding.continuation
    assert (AbilityName.PREFILL in found.abilities) == (found.continuation is not NONE)
    assert (found.streams, found.counts, list(found.refuses)) == (finding.streams, finding.counts, finding.refuses)


async def test_the_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pool.yaml"
    async with Upstream(provider(lambda _: False)) as upstream:
        text = (
            f"candidates:\n  - name: slow   # ours\n    base_url: {upstream.base_url}\n    model: m\n"
            f"    continuation: trailing   # a guess\n  - name: none\n    base_url: {upstream.base_url}\n    model: m\n"
            "    continuation: none\n    abilities: []\n"
        )
        path.write_text(text)
        assert await asyncio.to_thread(run, ["pool", "check", "--pool", str(path)]) == 0
        assert path.read_text() == text
        shown = capsys.readouterr()
        found = "writes anew, streams, counts its tokens, refuses nothing, is able to do no more"
        assert shown.out == f"slow: {found}\nnone: {found}\n"
        assert "--write" in shown.err
        assert await asyncio.to_thread(run, ["pool", "check", "slow", "--pool", str(path), "--write"]) == 0
        assert path.read_text() == text.replace("trailing   # a guess", "none   # a guess").replace(
            "slow   # ours", "slow   # ours\n    abilities: []"
        )


async def test_a_provider_that_does_not_answer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pool.yaml"
    async with Upstream(behaviours.status(401)) as upstream:
        path.write_text(f"candidates:\n  - name: a\n    base_url: {upstream.base_url}\n    model: m\n")
        assert await asyncio.to_thread(run, ["pool", "check", "--pool", str(path)]) == 1
    assert "a: the provider refused the candidate's API key" in capsys.readouterr().err
    assert run(["pool", "check", "b", "--pool", str(path)]) == 2


@pytest.mark.parametrize(
    ("entry", "changed"),
    [
        (
            "- name: a\n  continuation: trailing # x\n  model: m\n",
            "- name: a\n  continuation: prefix # x\n  model: m\n",
        ),
        ("- model: m\n  name: a # x\n", "- model: m\n  name: a # x\n  continuation: prefix\n"),
        ("- continuation: none\n  model: m\n  name: 'a'\n", "- continuation: prefix\n  model: m\n  name: 'a'\n"),
        ("- name: a\n\n  # here\n  model: m", "- name: a\n  continuation: prefix\n\n  # here\n  model: m"),
    ],
)
@pytest.mark.parametrize("indent", ["", "  "])
def test_one_member_of_one_entry_changes(entry: str, changed: str, indent: str) -> None:
    other = "- name: other\n  continuation: raw\n  chat_template: plain\n  base_url: http://h\n  model: m\n"

    def whole(text: str) -> str:
        lines = f"{other}{text}".replace("model: m", "model: m\n  base_url: http://h").split("\n")
        return "candidates:\n" + "\n".join(f"{indent}{line}" if line else line for line in lines)

    before = whole(entry).replace(f"{indent}  base_url: http://h\n{indent}  model: m\n", f"{indent}  model: m\n", 1)
    after = whole(changed).replace(f"{indent}  base_url: http://h\n{indent}  model: m\n", f"{indent}  model: m\n", 1)
    assert with_member(before, Path("pool.yaml"), "a", "continuation", PREFIX) == after
    assert file.parse(after.encode(), Path("pool.yaml")).entries["a"].continuation is PREFIX


def test_an_entry_in_one_line_is_left_to_a_person() -> None:
    text = "candidates:\n  - {name: a, base_url: http://h, model: m}\n"
    with pytest.raises(CommandError, match="by hand"):
        with_member(text, Path("p.yaml"), "a", "continuation", PREFIX)


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_bytes(b"candidates: \xff\n")
    with pytest.raises(CommandError) as caught:
        read_file(path)
    assert (caught.value.code, str(path) in str(caught.value)) == (ExitCode.USAGE, True)


def able(body: Body) -> dict[str, Any]:
    """Returns the message of a model that calls tools, keeps to a form, and sees that a square is red."""
    if "tools" in body:
        function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
        return {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    if "response_format" in body:
        return {"content": '{"city": "Oslo"}'}
    content = body["messages"][-1]["content"]
    return {"content": "Red." if isinstance(content, list) else "one, two"}


@pytest.mark.parametrize(
    ("refused", "found"),
    [
        ("", ["tools", "json_schema", "json_object", "images"]),
        ("tools", ["json_schema", "json_object", "images"]),
        ("response_format", ["tools", "images"]),
        ("image_url", ["tools", "json_schema", "json_object"]),
    ],
)
async def test_what_a_candidate_is_able_to_do_is_found(refused: str, found: list[str]) -> None:
    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        if refused and refused in json.dumps(body):
            words = json.dumps({"error": {"message": f"'{refused}' is not supported"}})
            await exchange.reply(words.encode(), status=400)
            return
        message = able(body)
        document = behaviours.completion(message.pop("content"), "stop", message=message)
        await exchange.reply(json.dumps(document).encode())

    async with Upstream(behave) as upstream:
        members = {"name": "fast", "base_url": upstream.base_url, "model": "tiny", "abilities": ["files", "images"]}
        finding = await find(CandidateEntry.model_validate(members))
    assert [str(each) for each in finding.abilities] == [*found, "files"]
