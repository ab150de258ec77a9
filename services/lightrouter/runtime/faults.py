"""Sentences for validation errors of a file: how to correct the value, and its place as a path."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]


def sentence(error: ErrorDetails, keys: Callable[[Path], Collection[str]]) -> str:
    """Returns how to correct an error; `keys` returns the known keys of the section at a path."""
    kind, loc, message = error["type"], error["loc"], error["msg"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return f"is not a known key{meant(str(loc[-1]), keys(loc[:-1]))}"
    if kind == "model_type":
        return "must be a mapping of keys to values" if loc else "the file must be a mapping with the key `candidates`"
    if kind == "tuple_type":
        return "must be a list"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "string_pattern_mismatch" and "https?://" in message:
        return "must be a URL like http://localhost:4317"
    subject, should, rest = message.partition(" should ")
    if should and subject.isalpha():
        return f"must {rest.partition(' after validation')[0]}"
    return message[:1].lower() + message[1:]


def keys_of(model: type[BaseModel], *, by_alias: bool = False) -> Callable[[Path], Collection[str]]:
    """Returns the function that returns the known keys of the section at a path below `model`."""

    def keys(section: type[BaseModel]) -> dict[str, Any]:
        return {(by_alias and known.alias) or name: known.annotation for name, known in section.model_fields.items()}

    def known(path: Path) -> Collection[str]:
        found = keys(model)
        for part in path:
            # Positions in lists and free keys of mappings lead to no other section.
            if isinstance(part, str) and (section := _section(found.get(part))):
                found = keys(section)
        return found

    return known


def _section(annotation: Any) -> type[BaseModel] | None:
    """Returns the model in the type of a field, such as that of its items; None if there is none."""
    if hasattr(annotation, "model_fields"):
        section: type[BaseModel] = annotation
        return section
    return next(filter(None, map(_section, get_args(annotation))), None)


def meant(word: str, known: Collection[str], prefix: str = "") -> str:
    """Returns "; did you mean WORD?" for the known word closest to `word`, in any case; empty if none is close.

    `prefix` is what the sentence writes before the word.
    """
    by_letters = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word[:100].casefold(), by_letters, n=1)
    return f"; did you mean {prefix}{by_letters[close[0]]}?" if close else ""


def field(path: Path) -> str:
    """Returns a path like `candidates[1].prices.input` or `responses['gpt-4.1'].text`."""
    text = ""
    for part in path:
        if isinstance(part, str) and part.isidentifier() and len(part) <= 64:
            text += f".{part}" if text else part
        else:
            # A key can be any text; the sentence must stay one readable line.
            text += f"[{part!r}]" if isinstance(part, int) else f"[{part[:64]!r}]"
    return text
