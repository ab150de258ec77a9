"""The pool file's schema: what may stand in it, what it means, and what holds where it says nothing.

Unknown keys are refused everywhere. No field holds a credential: keys are named by environment variable or file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from lightrouter.pool.values import (
    AUTHORIZATION,
    CandidateName,
    EnvironmentVariable,
    GrpcTarget,
    JsonObject,
    NanoUsdPerMillion,
    Number,
    Text,
    Url,
    checked_url,
)
from lightrouter.runtime import enums
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1 import candidate_pb2, chat_pb2

REPLAY: Final = "replay"
"""The provider that answers from a recording."""

PROVIDERS: Final = frozenset({"openai", REPLAY})
"""The provider APIs that adapters speak."""

MOST_MODEL_CHARACTERS: Final = 512
"""The most characters of a model's name."""

_Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^\S+$")]
# Parts of an entry that its answers do not hang on.
_NOT_ANSWERED_BY = {
    "name",
    "state",
    "prior",
    "prices",
    "limits",
    "circuit",
    "address",
    "context_window",
    "max_boot_tokens",
    "fixed_input_tokens",
    "api_key_header",
}
_RESERVED_BODY_KEYS = frozenset({"messages", "model", "prompt", "stream"})


class ContinuationStyle(StrEnum):
    """How a candidate goes on from text that it has already written; see Continuation in candidate.proto."""

    TRAILING = "trailing"
    PREFIX = "prefix"
    CONTINUE_FINAL_MESSAGE = "continue_final_message"
    RAW = "raw"
    NONE = "none"


class State(StrEnum):
    """What the pool thinks of a candidate; see CandidateState in candidate.proto."""

    ADMITTED = "admitted"
    PROBATION = "probation"
    EVICTED = "evicted"


THINK_TAGS: Final = ("<think>", "</think>")
"""The tags that most models write around hidden reasoning."""


class Thinking(StrEnum):
    """How hidden reasoning stands in a provider's text; reasoning that comes in a field of its own is always known."""

    AUTO = "auto"
    """Between the two tags where the text begins with the first."""
    OPEN = "open"
    """Up to the second tag: the model's chat template has written the first one already."""
    OFF = "off"
    """Not at all: tags are text."""


class MaxTokensField(StrEnum):
    """What a provider calls the most tokens that may be written."""

    MAX_TOKENS = "max_tokens"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"


class _Section(BaseModel):
    # snake_case keys in the pool file, camelCase keys in resources and chart; each reader accepts only its own.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class SamplingDefaults(_Section):
    """Sampling of a candidate, where a request leaves it out; what is left out here is left to the provider."""

    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    """Randomness, 0 (greedy) to 2."""
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    """Nucleus sampling: the smallest set of tokens with this probability."""
    stop: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...], Field(max_length=16, strict=False)
    ] = ()
    """Texts that end the output."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seed for providers that sample reproducibly."""
    max_output_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None
    """Most tokens that one answer may have, boot tokens included."""

    def to_proto(self) -> chat_pb2.Sampling:
        """Returns the message that stands for these defaults; what is None is not set in it."""
        return chat_pb2.Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            stop=self.stop,
            seed=self.seed,
            max_output_tokens=self.max_output_tokens,
        )


class PriceList(_Section):
    """What the provider asks for a million tokens: US dollars in the file, nano-dollars (10^-9 dollars) here."""

    input: NanoUsdPerMillion = 0
    """Tokens read that were not cached."""
    cached_input: NanoUsdPerMillion | None = None
    """Tokens read from the provider's cache; None stands for the price of `input`."""
    output: NanoUsdPerMillion = 0
    """Tokens written, reasoning included."""

    def to_proto(self) -> candidate_pb2.Prices:
        """Returns the message that stands for these prices."""
        return candidate_pb2.Prices(
            input_nanousd_per_million=self.input,
            cached_input_nanousd_per_million=self.input if self.cached_input is None else self.cached_input,
            output_nanousd_per_million=self.output,
        )


class Limits(_Section):
    """How much is asked of a candidate's provider at once, and how long."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Calls to the provider at the same time; more wait for their turn. Where a candidate costs nothing and has no key,
    one call that was cancelled before its first token may go on beside them, so that a model that loads gets ready."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Calls that may wait for their turn; more are refused with RESOURCE_EXHAUSTED."""
    connect_timeout_s: Annotated[Number, Field(gt=0, le=600)] = 5.0
    """Seconds that connecting may take."""
    request_timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 120.0
    """Seconds that one HTTP attempt may take; the call's deadline, where it is nearer, holds instead."""
    max_response_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 8_388_608
    """Most bytes that are accepted as the body of one response."""
    max_document_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 1_048_576
    """Most bytes of one JSON document: a response that comes as a whole, or one event of a stream. Nothing else runs in
    the adapter while one is read: up to 20 ms for each MiB."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Attempts after the first, on 429, 5xx and connection errors."""


class Circuit(_Section):
    """When a candidate that fails is left alone for a while. A request's own fault is no failure."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row that open the circuit."""
    cooldown_s: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    """Most seconds until one call is let through to see: the first wait is a twentieth, each failed try doubles it."""
    silence_s: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    """Seconds without a byte after which a call that was given up, by its deadline or by its caller, is a failure. An
    answer that comes as a whole has a second more for every 10 tokens of its limit: its writing is no silence."""


class PublicEntry(_Section):
    """What everybody may know of a candidate: all that a router needs. Equal where everything in them is."""

    name: CandidateName
    """Its name, unique in the pool."""
    provider: str = "openai"
    """The provider API that its adapter speaks."""
    base_url: Url | None = None
    """The provider's root, without a slash at its end; /chat/completions is under it."""
    model: Annotated[str, StringConstraints(min_length=1, max_length=MOST_MODEL_CHARACTERS)]
    """The model's name at the provider."""
    continuation: Annotated[ContinuationStyle, Field(strict=False)] = ContinuationStyle.TRAILING
    """How it goes on from its boot tokens."""
    prices: PriceList = PriceList()
    """What it costs. Default: nothing."""
    context_window: Annotated[int, Field(ge=0, le=2**40)] = 0
    """Tokens that the model can hold, input and output together; 0 where it is not known."""
    max_boot_tokens: Annotated[int, Field(ge=0, le=131_072)] = 0
    """Most boot tokens that it is given, for models that reason before they speak; 0 leaves it to the policy."""
    prior: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """What is known of its quality before any prompt is seen."""
    state: Annotated[State, Field(strict=False)] = State.ADMITTED
    """Whether it may answer."""
    address: GrpcTarget | None = None
    """Its adapter's gRPC target; None leaves it to the service's template."""
    fixed_input_tokens: Annotated[int, Field(ge=0, le=2**40)] | None = None
    """Tokens of its own instructions, which its adapter puts before every conversation. Default: counted from
    `system_prompt` where that is known."""

    @field_validator("provider")
    @classmethod
    def _known_provider(cls, value: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("providers", PROVIDERS)
        if value not in known:
            raise ValueError(f"is not a known provider; the known ones are: {', '.join(sorted(known))}")
        return value

    @property
    def instruction_tokens(self) -> int:
        """Tokens of its own instructions, as they are stated; 0 where they are not."""
        return self.fixed_input_tokens or 0

    @property
    def version(self) -> str:
        """What tells it from an entry that answers in another way, without what it says: 16 letters and digits."""
        return hashlib.sha256(self.model_dump_json(exclude=_NOT_ANSWERED_BY).encode()).hexdigest()[:16]

    def target(self, template: str) -> str:
        """Returns its adapter's gRPC target: its own address, else `template` with {name} replaced by its name."""
        return self.address or template.replace("{name}", self.name)

    def to_proto(self, address: str) -> candidate_pb2.Candidate:
        """Returns the candidate as callers see it, with its adapter at the gRPC target `address`."""
        return candidate_pb2.Candidate(
            name=self.name,
            provider=self.provider,
            model=self.model,
            address=address,
            prices=self.prices.to_proto(),
            context_window=self.context_window,
            max_boot_tokens=self.max_boot_tokens,
            continuation=enums.value(candidate_pb2.Continuation, self.continuation.name.lower()),
            prior=self.prior,
            state=enums.value(candidate_pb2.CandidateState, self.state.name.lower()),
            fixed_input_tokens=self.instruction_tokens,
        )


class CandidateEntry(PublicEntry):
    """One model that may answer, with what its adapter needs to ask it."""

    base_url: Annotated[str, Field(validate_default=True)] = ""
    """The provider's root, without a slash at its end; /chat/completions is under it, before its query, such as
    Azure's ?api-version=2024-10-21. Only `replay` has none."""
    recording: Annotated[Path, Field(strict=False)] | None = Field(default=None, validate_default=True)
    """The recording that provider `replay` answers from, of its `model`; a relative path starts at the pool file's
    folder."""
    pace: bool = False
    """Whether provider `replay` takes the time that the recording says."""
    api_key_env: EnvironmentVariable | None = None
    """The environment variable that holds the API key."""
    api_key_file: Annotated[Path, Field(strict=False)] | None = None
    """The file that holds the API key; a relative path starts at the pool file's folder."""
    api_key_header: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9-]*$")] = AUTHORIZATION
    """The header that the provider reads the API key from, in lower case, such as Azure's `api-key`; in
    `authorization` it goes as a bearer token."""
    chat_template: Text | None = None
    """The chat template for continuation `raw`: one of the adapter's names, or a template."""
    echoes_prefix: bool = False
    """Whether the provider repeats what the model goes on from at the begin of its answer, as Mistral's API does."""
    always_stream: bool = False
    """Whether answers that nobody watches are asked for as streams too: for providers, such as llama.cpp's server, that
    go on writing a whole answer after its connection is closed."""
    thinking: Annotated[Thinking, Field(strict=False)] = Thinking.AUTO
    """How hidden reasoning stands in the text that the provider sends."""
    thinking_tags: Annotated[tuple[_Tag, _Tag], Field(strict=False)] = THINK_TAGS
    """The tags before and after hidden reasoning, such as <thought> and </thought>, or [THINK] and [/THINK]."""
    max_tokens_field: Annotated[MaxTokensField, Field(strict=False)] = MaxTokensField.MAX_TOKENS
    """The request's member for the most tokens that may be written."""
    system_prompt: Text | None = None
    """Instructions of this candidate, put before the conversation's own."""
    sampling: SamplingDefaults = SamplingDefaults()
    """Sampling where the request leaves it out."""
    limits: Limits = Limits()
    """How much is asked of its provider at once."""
    circuit: Circuit = Circuit()
    """When it is left alone."""
    extra_body: JsonObject = {}
    """Members that are added to the JSON of every request to the provider."""

    @property
    def instruction_tokens(self) -> int:
        """Tokens of its own instructions, as they are stated, else counted."""
        if self.fixed_input_tokens is not None or self.system_prompt is None:
            return self.fixed_input_tokens or 0
        return estimate_tokens(self.system_prompt)

    @field_validator("base_url")
    @classmethod
    def _where_it_is(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("provider") != REPLAY:
            if not value:
                raise PydanticKnownError("missing")
            return checked_url(value)
        if value:
            raise ValueError("is not for provider replay, which answers from its recording; leave it out")
        return value

    @field_validator("recording")
    @classmethod
    def _what_it_replays(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if info.data.get("provider") == REPLAY:
            if value is None:
                raise ValueError("is required for provider replay: name the file that its answers are in")
        elif value is not None:
            raise ValueError("is only for provider replay; leave it out")
        return value

    @field_validator("pace")
    @classmethod
    def _only_replayed(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("provider") != REPLAY:
            raise ValueError("is only for provider replay; leave it out")
        return value

    @field_validator("api_key_file", "recording")
    @classmethod
    def _from_folder(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return folder / value if isinstance(folder, Path) and value is not None else value

    @field_validator("extra_body")
    @classmethod
    def _not_reserved(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if reserved := sorted(_RESERVED_BODY_KEYS & value.keys()):
            raise ValueError(f"must not set {', '.join(reserved)}, which the adapter sets itself")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("has both api_key_env and api_key_file; keep one")
        if self.continuation is ContinuationStyle.RAW and self.chat_template is None:
            raise ValueError("has continuation raw, which needs a chat_template")
        return self


class PoolDocument(_Section):
    """The pool file as it is written."""

    candidates: Annotated[tuple[CandidateEntry, ...], Field(strict=False)]
    """The candidates, 1 to 256."""
    judge: str | None = None
    """The candidate that judges for the selector `llm`; None takes the one with the best prior."""
    synthesizer: str | None = None
    """The candidate that merges for the aggregator `synthesize`; None takes the best-ranked one."""


@dataclass(frozen=True, slots=True)
class PublicPool:
    """The candidates that a router may know of.

    Attributes:
        entries: The candidates by name, in the order of the file; by name where they come from a cluster.
        judge: Name of the candidate that judges, which is one of the entries; None takes the one with the best prior.
        synthesizer: Name of the candidate that merges, likewise; None takes the best-ranked one.
        evaluations: What the evaluator found, by candidate, where it has evaluated.
        homogeneous: Why merging would buy nothing: its candidates are right and wrong together, in sentences; empty
            where that is not known.
    """

    entries: Mapping[str, PublicEntry]
    judge: str | None = None
    synthesizer: str | None = None
    evaluations: Mapping[str, candidate_pb2.Evaluation] = field(default_factory=dict)
    homogeneous: str = ""


@dataclass(frozen=True, slots=True)
class Pool(PublicPool):
    """A pool whose entries have what their adapters need."""

    entries: Mapping[str, CandidateEntry]
