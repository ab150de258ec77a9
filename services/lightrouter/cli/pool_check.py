"""`lightrouter pool check`: asks the candidates' providers what they can do, and writes it into the pool file."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.adapter.assemble import build_engine, build_provider
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.quirks import PREFILL
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import argument, command, option
from lightrouter.cli.pool_abilities import ASKED_FOR, abilities
from lightrouter.cli.poolstore import pool_option, read_file
from lightrouter.cli.text import printable
from lightrouter.pool import file
from lightrouter.pool.choices import AbilityName, ContinuationStyle
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import REPLAY, CandidateEntry, Pool
from lightrouter.runtime import files
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Sampling

_EXAMPLES: Final = """\
  lightrouter pool check
  lightrouter pool check fast --pool pool.yaml --write
"""
# A choice: a server may load its model first.
_SECONDS: Final = 120.0
_TASK: Final = "Count from one to twenty in English words, separated by commas. Write only the words."
# No answer to the task begins like this: a new text begins with "one".
_BEGUN: Final = "seventeen, eighteen,"
_NEXT: Final = "nineteen"
# Fewer tokens than some providers accept, so that their least limit is found; and enough for a repeated first part.
_FEW: Final = 8
_ENOUGH: Final = 32
# Ways that a request for chat completions can have, the usual one first.
_STYLES: Final = (ContinuationStyle.TRAILING, ContinuationStyle.PREFIX, ContinuationStyle.CONTINUE_FINAL_MESSAGE)


@dataclass(frozen=True, slots=True)
class Finding:
    """The abilities of one candidate's provider.

    Attributes:
        continuation: The way in which it goes on; none if it does not.
        streams: Whether a text comes in several events.
        counts: Whether a stream has its token counts.
        refuses: What it refuses, as `Candidate.refuses` in candidate.proto states it.
        abilities: What it can take and give besides plain text, and what its entry says that no question shows.
    """

    continuation: ContinuationStyle
    streams: bool
    counts: bool
    refuses: Sequence[str]
    abilities: Sequence[AbilityName] = ()

    def __str__(self) -> str:
        goes_on = "writes anew" if self.continuation is ContinuationStyle.NONE else f"goes on ({self.continuation})"
        streams = "streams" if self.streams else "does not stream"
        counts = "counts its tokens" if self.counts else "does not count its tokens"
        refuses = f"refuses {', '.join(self.refuses)}" if self.refuses else "refuses nothing"
        able = f"is able: {', '.join(self.abilities)}" if self.abilities else "is able to do no more"
        return f"{goes_on}, {streams}, {counts}, {refuses}, {able}"


@command("check", _EXAMPLES)
@argument("names", "the candidates; default: all", nargs=-1, metavar="[NAME]...")
@pool_option
@option("--write", is_flag=True, help="write what was found into the pool file")
def check(names: Sequence[str], path: Path, write: bool) -> ExitCode:
    """Asks the candidates' providers what they can do.

    A few short questions show whether a provider goes on from a first part of an answer and in which way, whether it
    streams, whether a stream has its token counts, which parts of a request it refuses, and whether it calls tools,
    keeps to a JSON Schema and reads pictures. With --write, `continuation` and `abilities` of each entry become what
    was found; the router uses them without a restart. The questions cost some hundred tokens a candidate.
    """
    before, pool = read_file(path)
    if unknown := [name for name in names if name not in pool.entries]:
        known = ", ".join(pool.entries)
        raise CommandError(f"the pool has no candidate {', '.join(unknown)}; it has {known}", ExitCode.USAGE)
    text, failed = before, False
    for name in names or pool.entries:
        entry = pool.entries[name]
        if entry.provider == REPLAY:
            continue
        try:
            finding = asyncio.run(find(entry))
        except (ServiceError, EntryError) as error:
            failed = True
            sys.stderr.write(f"{name}: {printable(str(error))}\n")
            continue
        sys.stdout.write(f"{name}: {printable(str(finding))}\n")
        if finding.continuation is not entry.continuation:
            text = with_member(text, path, name, "continuation", finding.continuation)
        if entry.abilities is None or set(finding.abilities) != set(entry.abilities):
            text = with_member(text, path, name, "abilities", finding.abilities)
    if text != before:
        _keep(path, text, write=write)
    return ExitCode.FAILED if failed else ExitCode.OK


def _keep(path: Path, text: str, *, write: bool) -> None:
    if write:
        files.replace(path, text.encode())
    else:
        sys.stderr.write(f"--write puts what was found into {path}\n")


async def find(entry: CandidateEntry) -> Finding:
    """Returns what the provider of `entry` can do.

    Raises:
        ServiceError: It does not answer.
        EntryError: The entry cannot be used.
    """
    trials = [await _Trial.of(entry, entry.continuation)]
    refuses = [word for word in trials[0].refuses if word != PREFILL]
    styles = (entry.continuation,) if entry.continuation is ContinuationStyle.RAW else _STYLES
    found = ContinuationStyle.NONE
    for style in sorted(styles, key=lambda each: each is not entry.continuation):
        trials.append(await _Trial.of(entry, style, _BEGUN))
        if not trials[-1].anew and trials[-1].text.strip(" ,\n").lower().startswith(_NEXT):
            found = style
            break
    # The counts of a text that the adapter cuts, because the provider takes no small limit, are never read.
    counts = any(trial.info.usage is not None for trial in trials)
    can: list[AbilityName] = []
    if entry.continuation is not ContinuationStyle.RAW:
        can = await abilities(lambda generation: _answer(entry, generation))
        can += [each for each in entry.abilities or () if each not in (*ASKED_FOR, AbilityName.PREFILL)]
        can += [AbilityName.PREFILL] if found is not ContinuationStyle.NONE else []
    return Finding(found, any(trial.info.texts > 1 for trial in trials), counts, refuses, can)


async def _answer(entry: CandidateEntry, generation: Generation) -> GenerateResponse:
    """Returns the answer to one question, by the adapter's own way."""
    engine = build_engine(entry)
    try:
        return await engine.generate(generation, Deadline.after(_SECONDS))
    finally:
        await engine.finish()


class _Watched:
    """A provider whose reply's facts can be seen. See `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.info = ReplyInfo()

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        return await self._provider.generate(request, info)

    def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        self.info = info
        return self._provider.stream(request, info)

    async def aclose(self) -> None:
        await self._provider.aclose()


@dataclass(frozen=True, slots=True)
class _Trial:
    """One question and its answer."""

    text: str
    anew: bool
    info: ReplyInfo
    refuses: Sequence[str]

    @classmethod
    async def of(cls, entry: CandidateEntry, style: ContinuationStyle, begun: str = "") -> _Trial:
        """Asks as the adapter does, with every option of a request, and lets the model go on from `begun`."""
        # The words of the task show what becomes of the first part, so the adapter need not judge it.
        entry = entry.model_copy(update={"continuation": style, "abilities": (AbilityName.PREFILL,)})
        watched = _Watched(build_provider(entry))
        engine = build_engine(entry, watched)
        messages = [
            ChatMessage(role=Role.ROLE_SYSTEM, content="You are a careful writer."),
            ChatMessage(role=Role.ROLE_USER, content=_TASK),
        ]
        most = _ENOUGH if begun else _FEW
        sampling = Sampling(max_output_tokens=most, temperature=0, seed=1, stop=["twenty-one"])
        generation = Generation(messages=messages, prefix=begun, sampling=sampling)
        text, anew = "", False
        try:
            async for event in engine.stream(generation, Deadline.after(_SECONDS)):
                text += event.chunk.text
                anew |= event.chunk.restarted
            return cls(text, anew, watched.info, engine.describe().refuses)
        finally:
            await engine.finish()


def with_member(text: str, path: Path, name: str, member: str, value: str | Sequence[str]) -> str:
    """Returns the pool file's text with `value` as one member of one entry, and everything else unchanged.

    Raises:
        CommandError: The entry is not written one member a line.
    """
    written = value if isinstance(value, str) else f"[{', '.join(value)}]"
    entry = re.search(rf"(?m)^( *)- (?:[^\n]*\n\1  )*?name: *[\"']?{re.escape(name)}[\"']?(?= *(?:#|$))", text)
    advice = CommandError(f"write `{member}: {written}` into the entry of {name} by hand", ExitCode.USAGE)
    if entry is None:
        raise advice
    indent = entry.group(1)
    block = re.compile(rf"(?:[^\n]*\n)(?:(?:{indent} +[^\n]*| *)(?:\n|$))*").match(text, entry.start())
    begin, end = (block.start(), block.end()) if block else (entry.start(), len(text))
    pattern = rf"(?m)^({indent}(?:- |  ){member}: *)(?:\[[^\]\n]*\]|\S+)"
    lines, found = re.subn(pattern, lambda line: line.group(1) + written, text[begin:end])
    if not found:
        at = entry.end() - begin
        line_end = lines.find("\n", at) if "\n" in lines[at:] else len(lines)
        lines = f"{lines[:line_end]}\n{indent}  {member}: {written}{lines[line_end:]}"
    made = text[:begin] + lines + text[end:]
    if not _is_only_change(text, made, path, name, member, value):
        raise advice
    return made


def _is_only_change(before: str, after: str, path: Path, name: str, member: str, value: str | Sequence[str]) -> bool:
    def parsed(text: str) -> Pool:
        return file.parse(text.encode(), path)

    try:
        old, new = parsed(before), parsed(after)
    except PoolFileError:
        return False
    kept = value if isinstance(value, str) else tuple(value)
    wanted = dict(old.entries) | {name: old.entries[name].model_copy(update={member: kept})}
    return dict(new.entries) == wanted and (new.judge, new.synthesizer) == (old.judge, old.synthesizer)
