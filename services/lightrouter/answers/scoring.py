"""How right an answer is, by the kind of task: what a validation set and a recording state beside each prompt.

Each task is what may stand in a line of JSON, checked by pydantic, whose errors name the field, and scores by itself.
What only a model can judge is the evaluator's (`lightrouter.pool.evaluator`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Protocol

import jsonschema
import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, model_validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from lightrouter.answers.extract import canonical, check, documents, extract
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern

_MOST_CHOICES: Final = 26
_LONGEST_NUMBER: Final = 64
_MOST_CHARACTERS: Final = 1_000_000
# "the answer is (B)", "Answer: B", "\boxed{B}": what announces the letter counts before any that merely stands there.
_ANNOUNCED = re2.compile(
    r"""(?i:answer|choice|option)(?i:\s+is|\s*:)[\s*_:(\["']*(?:([A-Z])\b|\(([a-z])\))|\\boxed\{\s*\(?([A-Za-z])\b"""
)
# A letter before an apostrophe is the begin of a word, like I'm.
_STANDALONE = re2.compile(r"\b([A-Z])\b(['\x{2019}]\w)?")
_NUMBER = re2.compile(r"[-+\x{2212}]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\d)(?:[eE][-+]?\d{1,3}\b)?")


class Scorer(Protocol):
    """A task that says by itself how right an answer is."""

    def score(self, text: str) -> float:
        """Returns how right the answer `text` is, 0 to 1."""
        ...


class Section(BaseModel):
    """Part of a line of JSON: unknown keys are refused, and an error does not repeat the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _pattern(value: str) -> str:
    try:
        check(AnswerPattern(re2=value), "pattern")
    except ServiceError as error:
        raise ValueError(error.message.partition(": ")[2]) from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern), Field(min_length=1, max_length=1000)]
"""An RE2 pattern."""


class Extraction(Section):
    """Where in a text the answer stands; see AnswerPattern in policy.proto."""

    re2: Pattern | None = None
    """The last match counts: its first group, or the whole where it has none."""
    json_pointer: Annotated[str, Field(min_length=1, max_length=1000, pattern="^/")] | None = None
    """Place in the JSON document that the text is, or that its last fenced block holds."""

    @model_validator(mode="after")
    def _one(self) -> Extraction:
        if (self.re2 is None) == (self.json_pointer is None):
            raise ValueError("must have either re2 or json_pointer")
        return self

    def find(self, text: str) -> str | None:
        """Returns the answer in `text`; None where there is none."""
        wanted = AnswerPattern(re2=self.re2) if self.re2 else AnswerPattern(json_pointer=self.json_pointer or "")
        return extract(text, wanted)


class Exact(Section):
    """Right where the answer is the expected one, but for case, white space and punctuation around it."""

    task: Literal["exact"] = "exact"
    answer: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    """The expected answer, or several that are all right."""
    extraction: Extraction | None = None
    """Where the answer stands in the text. Default: it is the whole."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        found = self.extraction.find(text) if self.extraction else text
        expected = (self.answer,) if isinstance(self.answer, str) else self.answer
        return float(found is not None and canonical(found) in {canonical(answer) for answer in expected})


class Choice(Section):
    r"""Right where the expected letter is chosen.

    Without an extraction, or where that finds nothing, the letter is the last that the text announces ("the answer is
    B", "\boxed{B}"), else the last capital one that stands alone.
    """

    task: Literal["choice"] = "choice"
    answer: Annotated[str, Field(pattern="^[A-Z]$")]
    """The expected letter."""
    choices: Annotated[int, Field(ge=2, le=_MOST_CHOICES)] = 10
    """How many there are: other letters are none of them."""
    extraction: Extraction | None = None
    """Where the letter stands in the text."""

    @model_validator(mode="after")
    def _possible(self) -> Choice:
        if self.answer not in self._letters():
            raise ValueError(f"the answer {self.answer} is not among the first {self.choices} letters")
        return self

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        return float(self.find(text) == self.answer)

    def find(self, text: str) -> str | None:
        """Returns the letter that `text` chooses; None where it chooses none."""
        text = text[-_MOST_CHARACTERS:]
        letters = self._letters()
        stated = canonical((self.extraction.find(text) or "") if self.extraction else text).upper()
        if stated in letters:
            return stated
        announced = ["".join(groups).upper() for groups in _ANNOUNCED.findall(text)]
        alone = [letter for letter, rest in _STANDALONE.findall(text) if not rest]
        for found in (announced, alone):
            if chosen := [letter for letter in found if letter in letters]:
                return str(chosen[-1])
        return None

    def _letters(self) -> frozenset[str]:
        return frozenset(chr(ord("A") + index) for index in range(self.choices))


class Numeric(Section):
    """Right where the last number of the answer is close enough to the expected one."""

    task: Literal["numeric"] = "numeric"
    answer: Annotated[Decimal, Field(strict=False, allow_inf_nan=False)]
    """The expected number."""
    tolerance: Annotated[Decimal, Field(strict=False, ge=0, allow_inf_nan=False)] = Decimal(0)
    """How far it may be off."""
    relative_tolerance: Annotated[Decimal, Field(strict=False, ge=0, allow_inf_nan=False)] = Decimal(0)
    """How far it may be off as a share of the expected number; the larger of the two tolerances holds."""
    extraction: Extraction | None = None
    """Where the number stands in the text. Default: it is the last one."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        found = self.extraction.find(text) if self.extraction else text
        number = last_number(found or "")
        allowed = max(self.tolerance, abs(self.answer) * self.relative_tolerance)
        return float(number is not None and abs(number - self.answer) <= allowed)


class Matching(Section):
    """Right where an RE2 pattern is found in the answer."""

    task: Literal["pattern"] = "pattern"
    pattern: Pattern
    """The pattern; (?s), (?i) and the like are part of it."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        return float(re2.search(self.pattern, text) is not None)


class Schema(Section):
    """Right where the answer, or its last fenced block, is a JSON document that satisfies a schema."""

    task: Literal["schema"] = "schema"
    json_schema: dict[str, JsonValue]
    """JSON Schema of the draft that its $schema names, 2020-12 where it names none; it refers to nothing outside."""
    _validator: Any = PrivateAttr()

    @model_validator(mode="after")
    def _sound(self) -> Schema:
        kind = jsonschema.validators.validator_for(self.json_schema, jsonschema.Draft202012Validator)
        try:
            kind.check_schema(self.json_schema)
        except jsonschema.SchemaError as error:
            raise ValueError(f"json_schema{error.json_path.removeprefix('$')} is no JSON Schema") from None
        # An empty registry: what is referred to is never fetched.
        self._validator = kind(self.json_schema, registry=Registry())
        return self

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        for document in documents(text):
            try:
                return float(self._validator.is_valid(json.loads(document)))
            except (ValueError, RecursionError, Unresolvable):
                continue
        return 0.0


AnyScorer = Exact | Choice | Numeric | Matching | Schema
"""The tasks that need no model; told apart by their `task`."""

SCORERS: Final[Mapping[str, type[AnyScorer]]] = {
    kind.model_fields["task"].default: kind for kind in (Exact, Choice, Numeric, Matching, Schema)
}
"""The tasks by the word that names them."""


def last_number(text: str) -> Decimal | None:
    """Returns the last number in `text`, in which commas may group the digits; None where there is none."""
    text = text[-_MOST_CHARACTERS:]
    for match in reversed(list(_NUMBER.finditer(text))):
        number = match.group(0).replace(",", "").replace("\N{MINUS SIGN}", "-")
        if len(number) <= _LONGEST_NUMBER:
            # After a letter or a digit it is a hyphen or a difference, as in 10-4.
            signed = not text[max(0, match.start() - 1) : match.start()].isalnum()
            return Decimal(number if signed else number.lstrip("+-"))
    return None
