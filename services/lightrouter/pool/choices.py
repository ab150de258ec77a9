"""The words of a pool entry that stand for one of several behaviours."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ContinuationStyle(StrEnum):
    """How a candidate continues text that it has already written; see Continuation in candidate.proto."""

    TRAILING = "trailing"
    PREFIX = "prefix"
    CONTINUE_FINAL_MESSAGE = "continue_final_message"
    RAW = "raw"
    NONE = "none"


class State(StrEnum):
    """Whether the pool lets a candidate answer; see CandidateState in candidate.proto."""

    ADMITTED = "admitted"
    PROBATION = "probation"
    EVICTED = "evicted"


THINK_TAGS: Final = ("<think>", "</think>")
"""The tags that most models write around hidden reasoning."""


class Thinking(StrEnum):
    """How a provider's text marks hidden reasoning; reasoning in a separate field is always recognized."""

    AUTO = "auto"
    """Between the two tags, if the text begins with the first."""
    OPEN = "open"
    """Up to the second tag: the model's chat template has already written the first one."""
    OFF = "off"
    """Not at all: tags are ordinary text."""


class AbilityName(StrEnum):
    """One thing that a candidate can take or give; see Ability in candidate.proto."""

    TOOLS = "tools"
    PARALLEL_TOOLS = "parallel_tools"
    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    IMAGES = "images"
    FILES = "files"
    AUDIO = "audio"
    PREFILL = "prefill"


class Effort(StrEnum):
    """How long a model can be asked to reason; see ReasoningEffort in chat.proto."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MAXIMUM = "maximum"


class MaxTokensField(StrEnum):
    """The provider's field for the maximum output tokens."""

    MAX_TOKENS = "max_tokens"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"
