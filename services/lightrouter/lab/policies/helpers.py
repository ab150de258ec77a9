"""Real models beside a recorded pool: a judge of partials and a synthesizer of drafts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.answers.untrusted import label
from lightrouter.pool import file
from lightrouter.pool.schema import REPLAY, CandidateEntry
from lightrouter.selector.prompts import MOST_POINTS

_SERVER: Final = ("-P", "-m", "lightrouter.localmodel", "--exit-with-parent")
# A judge is asked in two orders at the same time; more slots would only share the same threads.
_SLOTS: Final = 2
_CONTEXT_TOKENS: Final = 8192
# A choice: on one slow thread the longest prompt takes minutes to read.
_REQUEST_SECONDS: Final = 1800.0


class HelpersError(Exception):
    """Models that cannot be used; the text has one line for each fault."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """Models that are called for real.

    Attributes:
        entries: Their pool entries; empty if none are configured.
        judge: Name of the model that judges.
        synthesizer: Name of the model that merges.
        about: What a reader of the figures must know about them, one sentence each.
    """

    entries: Sequence[CandidateEntry] = ()
    judge: str | None = None
    synthesizer: str | None = None
    about: Sequence[str] = ()


NO_HELPERS: Final = Helpers()
"""No models are configured."""


@contextmanager
def opened(path: Path | None, recorded: Sequence[str], *, local: bool) -> Iterator[Helpers]:
    """Yields the models of a pool file, or the small local model, served until the end, or none.

    `path` is the pool file, None for no models or, if `local`, the local one; no helper may have a name in `recorded`.

    Raises:
        HelpersError: The models cannot be started or used.
    """
    if path is not None or not local:
        yield load(path, recorded)
        return
    command = [sys.executable, *_SERVER, "--parallel", str(_SLOTS), "--context-tokens", str(_SLOTS * _CONTEXT_TOKENS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own module
        try:
            ready = server.stdout.readline() if server.stdout else ""
            if not ready:
                raise HelpersError("the local model cannot be served; its own words are above")
            served = json.loads(ready)
            yield _local(served["base_url"], served["model"], len(recorded))
        finally:
            server.terminate()


def _local(base_url: str, model: str, candidates: int) -> Helpers:
    common = {
        "base_url": base_url,
        "model": model,
        "always_stream": True,
        "context_window": _CONTEXT_TOKENS,
        "limits": {"request_timeout_s": _REQUEST_SECONDS},
    }
    letters = [label(index) for index in range(candidates)]
    judge = {"name": f"{model}-judge", "extra_body": {"grammar": verdict_grammar(letters)}}
    entries = [CandidateEntry.model_validate({**common, **each}) for each in (judge, {"name": f"{model}-synthesizer"})]
    about = (
        (
            f"{model} on this machine judges and merges. It is far smaller than the candidates, so its figures show "
            "the method of measurement, not what a judge or synthesizer of the candidates' size would reach."
        ),
        "A grammar enforces the form of its verdicts, because such a small model would often miss it.",
    )
    return Helpers(entries, entries[0].name, entries[1].name, about)


def verdict_grammar(letters: Sequence[str]) -> str:
    """Returns llama.cpp's grammar (GBNF) of a verdict on the answers with these letters."""
    pairs = ' ", " '.join(f'"\\"{letter}\\": " points' for letter in letters)
    scales = ' ", " '.join(f'"\\"{scale}\\": " number' for scale in ("consistency", "correctness"))
    return f'root ::= "{{" {pairs} "}}"\npoints ::= "{{" {scales} "}}"\nnumber ::= [0-9] | "{MOST_POINTS}"'


def load(path: Path | None, recorded: Sequence[str]) -> Helpers:
    """Returns the models of a pool file; its first one judges and merges unless it names others.

    No helper may have a name of the recorded candidates; without a path there are none.

    Raises:
        HelpersError: The file cannot be used.
    """
    if path is None:
        return NO_HELPERS
    try:
        pool = file.load(path)
    except file.PoolFileError as error:
        raise HelpersError(str(error)) from None
    entries = list(pool.entries.values())
    for entry in entries:
        if entry.name in recorded:
            raise HelpersError(f"{path}: {entry.name} is the name of a recorded model; give it another")
        if entry.provider == REPLAY:
            raise HelpersError(
                f"{path}: {entry.name} is itself a recording; a judge or synthesizer must be a real model"
            )
    first = entries[0].name
    return Helpers(entries, pool.judge or first, pool.synthesizer or first)
