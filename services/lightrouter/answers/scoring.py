"""Scores answers by task, as a validation set and a recording state it for each prompt.

Each task is what may stand in a line of JSON, checked by pydantic, whose errors name the field, and scores by itself.
What only a model can judge is the evaluator's (`lightrouter.evaluator`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    model_validator,
)
from referencing.exceptions import Unresolvable

from lightrouter.answers.choices import MOST_CHOICES, answer_letter
from lightrouter.answers.documents import documents
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import MOST_DOCUMENT, check, extract, matches
from lightrouter.answers.numbers import answer_number
from lightrouter.answers.schemas import validator
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern


class Scorer(Protocol):
    """A task that can score an answer by itself."""

    def score(self, text: str) -> float:
        """Returns the score of the answer `text`, 0 to 1."""
        ...


class Section(BaseModel):
    """Part of a line of JSON: unknown keys are refused, and an error does not repeat the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _expected(value: object) -> object:
    """Returns an expected answer as text: a number or a boolean as JSON writes it."""
    if isinstance(value, list | tuple) and value:
        return tuple(_expected_one(each) for each in value)
    return _expected_one(value)


def _expected_one(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool | int | float) else value
    if not isinstance(text, str) or not text:
        raise ValueError("must be a text, a number, true or false, or a list of such")
    return text


def _letter(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]", value):
        raise ValueError("must be one capital letter, the one of the right option")
    return value


def _number(value: object) -> object:
    try:
        fits = not isinstance(value, bool | list | tuple) and Decimal(str(value)).is_finite()
    except InvalidOperation:
        fits = False
    if not fits:
        raise ValueError("must be a number, like 391 or 0.5")
    return value


def _pattern(value: str) -> str:
    try:
        check(AnswerPattern(re2=value), "pattern")
    except ServiceError as error:
        raise ValueError(error.message.partition(": ")[2]) from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern), Field(min_length=1, max_length=1000)]
"""An RE2 pattern."""


class Extraction(Section):
    """Where the answer is in a text; see AnswerPattern in policy.proto."""

    re2: Pattern | None = None
    """The last match counts: its first group, or the whole if it has none."""
    json_pointer: Annotated[str, Field(min_length=1, max_length=1000, pattern="^/")] | None = None
    """Place in the JSON document that the text is, or that its last fenced block holds."""
    number: Literal[True] | None = None
    """The number that the text answers with, in any notation."""
    choices: Annotated[int, Field(ge=2, le=MOST_CHOICES)] | None = None
    """The letter that the text chooses; the value is the number of options."""

    @model_validator(mode="after")
    def _one(self) -> Extraction:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("must have one of re2, json_pointer, number and choices")
        return self

    def find(self, text: str) -> str | None:
        """Returns the answer in `text`; None if there is none."""
        return extract(text, AnswerPattern(**self.model_dump(exclude_none=True)))


class Exact(Section):
    """Right if the answer is the expected one, except for case, white space and punctuation around it."""

    task: Literal["exact"] = "exact"
    answer: Annotated[str | tuple[str, ...], BeforeValidator(_expected)]
    """The expected answer, or several that are all right."""
    extraction: Extraction | None = None
    """Where the answer is in the text. Default: the whole text."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        found = self.extraction.find(text) if self.extraction else text
        expected = (self.answer,) if isinstance(self.answer, str) else self.answer
        return float(found is not None and canonical(found) in {canonical(answer) for answer in expected})


class Choice(Section):
    """Right if the expected letter is chosen, as `choices.answer_letter` reads it.

    If the extraction finds no letter, the whole text is read.
    """

    task: Literal["choice"] = "choice"
    answer: Annotated[str, BeforeValidator(_letter)]
    """The expected letter."""
    choices: Annotated[int, Field(ge=2, le=MOST_CHOICES)] = 10
    """How many there are: other letters are none of them."""
    extraction: Extraction | None = None
    """Where the letter is in the text."""

    @model_validator(mode="after")
    def _possible(self) -> Choice:
        if self.answer not in self._letters():
            raise ValueError(f"the answer {self.answer} is not among the first {self.choices} letters")
        return self

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        return float(self.find(text) == self.answer)

    def find(self, text: str) -> str | None:
        """Returns the letter that `text` chooses; None if it chooses none."""
        if self.extraction and (stated := answer_letter(self.extraction.find(text) or "", self.choices)):
            return stated
        return answer_letter(text, self.choices)

    def _letters(self) -> frozenset[str]:
        return frozenset(chr(ord("A") + index) for index in range(self.choices))


class Numeric(Section):
    """Right if the number that the text answers with is close enough to the expected one.

    A percentage is right both as its share and as it stands: 50 % for 0.5 and for 50.
    """

    task: Literal["numeric"] = "numeric"
    answer: Annotated[Decimal, BeforeValidator(_number), Field(strict=False, allow_inf_nan=False)]
    """The expected number."""
    tolerance: Annotated[Decimal, Field(strict=False, ge=0, allow_inf_nan=False)] = Decimal(0)
    """How far it may be off."""
    relative_tolerance: Annotated[Decimal, Field(strict=False, ge=0, allow_inf_nan=False)] = Decimal(0)
    """How far it may be off as a share of the expected number; the larger of the two tolerances holds."""
    extraction: Extraction | None = None
    """Where the number is in the text. Default: the announced number, else the last."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        found = self.extraction.find(text) if self.extraction else text
        number = answer_number(found or "")
        if number is None:
            return 0.0
        expected = Fraction(self.answer)
        allowed = max(Fraction(self.tolerance), abs(expected) * Fraction(self.relative_tolerance))
        values = (number.value, number.value * 100) if number.percent else (number.value,)
        return float(any(abs(value - expected) <= allowed for value in values))


class Matching(Section):
    """Right if an RE2 pattern is found in the answer, or in the last 65,536 characters of a long one."""

    task: Literal["pattern"] = "pattern"
    pattern: Pattern
    """The pattern; (?s), (?i) and the like are part of it."""

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        return float(matches(text, self.pattern))


class Schema(Section):
    """Right if the answer, or its last fenced block, is a JSON document that satisfies a schema."""

    task: Literal["schema"] = "schema"
    json_schema: dict[str, JsonValue]
    """JSON Schema of the draft that its $schema names, 2020-12 if it names none; it refers to nothing outside.

    Its patterns are RE2's.
    """
    _validator: Any = PrivateAttr()

    @model_validator(mode="after")
    def _sound(self) -> Schema:
        self._validator = validator(self.json_schema)
        return self

    def score(self, text: str) -> float:
        """Returns 1 for a right answer, else 0."""
        for document in documents(text[-MOST_DOCUMENT:]):
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
"""The tasks by name."""
