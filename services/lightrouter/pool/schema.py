"""The pool file's schema: its keys, their meaning and their defaults.

Unknown keys are refused everywhere. No field holds a credential: keys are named by environment variable or file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from lightrouter.pool.addresses import checked_url
from lightrouter.pool.choices import (
    THINK_TAGS,
    AbilityName,
    ContinuationStyle,
    Effort,
    MaxTokensField,
    State,
    Thinking,
)
from lightrouter.pool.prices import PriceList
from lightrouter.pool.section import Section
from lightrouter.pool.values import (
    URL_SCHEMA,
    CandidateName,
    EnvironmentVariable,
    GrpcTarget,
    JsonObject,
    Number,
    Text,
    Url,
)
from lightrouter.runtime import enums
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1 import candidate_pb2, chat_pb2

REPLAY: Final = "replay"
"""The provider that answers from a recording."""

PROVIDERS: Final = frozenset({"openai", "anthropic", "gemini", REPLAY})
"""The provider APIs that adapters speak."""

_NATIVE: Final = frozenset({"anthropic", "gemini"})

MOST_MODEL_CHARACTERS: Final = 512
"""The most characters of a model's name."""

_Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^\S+$")]
# Fields of an entry that do not affect its answers.
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
    "abilities",
    "reasoning_efforts",
    "refuses",
    "api_key_header",
}
_RESERVED_BODY_KEYS = frozenset({"contents", "messages", "model", "prompt", "stream"})
Refused = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SamplingDefaults(Section):
    """Sampling of a candidate, if a request does not set it; the provider decides what is not set here."""

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
    """Maximum tokens of one answer, boot tokens included."""

    def to_proto(self) -> chat_pb2.Sampling:
        """Returns these defaults as a message; what is None is not set in it."""
        return chat_pb2.Sampling(**dict(self))


class Limits(Section):
    """Limits of calls to a candidate's provider. The defaults are choices; all may be changed."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Maximum concurrent calls to the provider; more wait. If a candidate costs nothing and has no key, one more call
    that was cancelled before its first token may continue, so that a model that is loading gets ready."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Maximum calls in the queue; more are refused with RESOURCE_EXHAUSTED."""
    connect_timeout_s: Annotated[Number, Field(gt=0, le=600)] = 5.0
    """Maximum seconds to connect."""
    request_timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 120.0
    """Maximum seconds of one HTTP attempt; the call's deadline applies if it is sooner."""
    max_response_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 8_388_608
    """Maximum bytes of one response's body."""
    max_document_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 1_048_576
    """Maximum bytes of one JSON document: a response that is not streamed, or one event of a stream. Parsing one blocks
    the adapter, up to 20 ms per MiB."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Maximum retries after the first attempt, on 429, 5xx and connection errors."""


class Circuit(Section):
    """When a failing candidate's circuit opens and closes. A faulty request does not count as a failure."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Consecutive failures that open the circuit."""
    cooldown_s: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    """Maximum seconds until a trial call: the first wait is a twentieth of it, and each failed trial doubles the
    wait."""
    silence_s: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    """Seconds without a byte after which a call that ended by its deadline or its caller counts as a failure. An answer
    that is not streamed gets a second more for every 10 tokens of its limit, the time to write it."""


class PublicEntry(Section):
    """The public part of a candidate: all that a router needs. Two are equal if all their fields are."""

    name: CandidateName
    """Its name, unique in the pool."""
    provider: str = "openai"
    """The provider API that its adapter speaks."""
    base_url: Url | None = None
    """The provider's root URL, without a slash at its end; /chat/completions is below it."""
    model: Annotated[str, StringConstraints(min_length=1, max_length=MOST_MODEL_CHARACTERS)]
    """The model's name at the provider."""
    continuation: Annotated[ContinuationStyle, Field(strict=False)] = ContinuationStyle.TRAILING
    """How it continues its boot tokens."""
    prices: PriceList = PriceList()
    """Its prices. Default: 0."""
    context_window: Annotated[int, Field(ge=0, le=2**40)] = 0
    """Tokens that the model can hold, input and output together; 0 if unknown."""
    max_boot_tokens: Annotated[int, Field(ge=0, le=131_072)] = 0
    """Maximum boot tokens, for models that reason before they write; 0 leaves it to the policy."""
    prior: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """Its expected quality before any prompt is seen, 0 to 1."""
    state: Annotated[State, Field(strict=False)] = State.ADMITTED
    """Whether it may answer."""
    address: GrpcTarget | None = None
    """Its adapter's gRPC target; default: from the service's template."""
    abilities: (
        Annotated[tuple[Annotated[AbilityName, Field(strict=False)], ...], Field(max_length=32, strict=False)] | None
    ) = None
    """What it can take and give besides plain text. Default: not known, it is asked for anything; only continuation
    `raw` takes nothing else."""
    reasoning_efforts: (
        Annotated[tuple[Annotated[Effort, Field(strict=False)], ...], Field(max_length=8, strict=False)] | None
    ) = None
    """The reasoning efforts that it knows. Default: not known, a request's effort is passed on."""
    refuses: Annotated[tuple[Refused, ...], Field(max_length=32, strict=False)] = ()
    """What its provider is known to refuse, so that requests avoid it from the first one on: members of the request, as
    `temperature` or `seed`, `prefill`, `system role`, `turns that do not alternate`, `answers in one piece`."""
    fixed_input_tokens: Annotated[int, Field(ge=0, le=2**40)] | None = None
    """Tokens of its own instructions, which its adapter puts before every conversation. Default: counted from
    `system_prompt` if that is known."""

    @field_validator("provider")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        if value not in PROVIDERS:
            raise ValueError(f"is not a known provider; the known ones are: {', '.join(sorted(PROVIDERS))}")
        return value

    @property
    def instruction_tokens(self) -> int:
        """Tokens of its own instructions, as stated; 0 if not stated."""
        return self.fixed_input_tokens or 0

    @property
    def version(self) -> str:
        """A hash of the fields that affect its answers, 16 hexadecimal digits."""
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
            refuses=self.refuses,
            abilities=self._abilities(),
        )

    def _abilities(self) -> candidate_pb2.Abilities | None:
        known = self.abilities
        if known is None:
            if self.continuation is not ContinuationStyle.RAW:
                return None
            # Its prompt is one plain text.
            known = (AbilityName.PREFILL,)
        return candidate_pb2.Abilities(
            abilities=[enums.value(candidate_pb2.Ability, ability.value) for ability in known],
            reasoning_efforts=[
                enums.value(chat_pb2.ReasoningEffort, effort.value) for effort in self.reasoning_efforts or ()
            ],
        )


class CandidateEntry(PublicEntry):
    """One model that may answer, with everything that its adapter needs to call it."""

    base_url: Annotated[str, Field(validate_default=True), URL_SCHEMA] = ""
    """The provider's root URL, without a slash at its end; /chat/completions is added before its query, such as Azure's
    ?api-version=2024-10-21. Only `replay` has none."""
    recording: Annotated[Path, Field(strict=False)] | None = Field(default=None, validate_default=True)
    """The recording of `model` that provider `replay` answers from; a relative path starts at the pool file's
    folder."""
    pace: bool = False
    """Whether provider `replay` takes the recorded time."""
    api_key_env: EnvironmentVariable | None = None
    """The environment variable that holds the API key."""
    api_key_file: Annotated[Path, Field(strict=False)] | None = None
    """The file that holds the API key; a relative path starts at the pool file's folder."""
    api_key_header: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    """The header of the API key, in lower case, such as Azure's `api-key`; `authorization` sends a bearer token.
    Default: the provider API's own: `authorization` for openai, `x-api-key` for anthropic, `x-goog-api-key` for
    gemini."""
    chat_template: Text | None = None
    """The chat template for continuation `raw`: one of the adapter's names, or a template."""
    echoes_prefix: bool = False
    """Whether the provider repeats the prefix at the start of its answer, as Mistral's API does."""
    always_stream: bool = False
    """Whether to request answers that are not streamed to the caller as streams too: for providers, such as llama.cpp's
    server, that otherwise write the whole answer after the connection is closed."""
    thinking: Annotated[Thinking, Field(strict=False)] = Thinking.AUTO
    """How the provider's text marks hidden reasoning."""
    thinking_tags: Annotated[tuple[_Tag, _Tag], Field(strict=False)] = THINK_TAGS
    """The tags before and after hidden reasoning, such as <thought> and </thought>, or [THINK] and [/THINK]."""
    max_tokens_field: Annotated[MaxTokensField, Field(strict=False)] = MaxTokensField.MAX_TOKENS
    """The request's field for the maximum output tokens."""
    system_prompt: Text | None = None
    """Instructions of this candidate, before the conversation's own."""
    sampling: SamplingDefaults = SamplingDefaults()
    """Sampling, if the request does not set it."""
    limits: Limits = Limits()
    """Limits of calls to its provider."""
    circuit: Circuit = Circuit()
    """When its circuit opens and closes."""
    extra_body: JsonObject = Field(default={})
    """JSON fields to add to every request to the provider."""

    @property
    def instruction_tokens(self) -> int:
        """Tokens of its own instructions, as stated, else counted."""
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
            raise ValueError("is not for provider replay, which answers from a recording; leave it out")
        return value

    @field_validator("recording", "pace")
    @classmethod
    def _what_it_replays(cls, value: Path | bool | None, info: ValidationInfo) -> Path | bool | None:
        replays = info.data.get("provider") == REPLAY
        if value is None and replays:
            raise ValueError("is required for provider replay: name the file with its answers")
        if value and not replays:
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
        if self.provider in _NATIVE and self.continuation not in {ContinuationStyle.TRAILING, ContinuationStyle.NONE}:
            raise ValueError(f"has continuation {self.continuation}; {self.provider} knows only trailing and none")
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("has both api_key_env and api_key_file; keep one")
        if self.continuation is ContinuationStyle.RAW and self.chat_template is None:
            raise ValueError("has continuation raw, which needs a chat_template")
        return self


class PoolDocument(Section):
    """The pool file as it is written."""

    candidates: Annotated[tuple[CandidateEntry, ...], Field(strict=False)]
    """The candidates, 1 to 256."""
    judge: str | None = None
    """The candidate that judges for the selector `llm`; default: the one with the best prior."""
    synthesizer: str | None = None
    """The candidate that merges for the aggregator `synthesize`; default: the best-ranked one."""


@dataclass(frozen=True, slots=True)
class PublicPool:
    """The candidates as a router sees them.

    Attributes:
        entries: The candidates by name, in the order of the file; sorted by name if they come from a cluster.
        judge: Name of the candidate that judges, one of the entries; None: the one with the best prior.
        synthesizer: Name of the candidate that merges, one of the entries; None: the best-ranked one.
        evaluations: The evaluator's results by candidate, if it has evaluated.
        homogeneous: Why merging would gain nothing, because the candidates make the same errors, in sentences;
            empty if that is not known.
    """

    entries: Mapping[str, PublicEntry]
    judge: str | None = None
    synthesizer: str | None = None
    evaluations: Mapping[str, candidate_pb2.Evaluation] = field(default_factory=dict)
    homogeneous: str = ""


@dataclass(frozen=True, slots=True)
class Pool(PublicPool):
    """A pool whose entries include what their adapters need."""

    entries: Mapping[str, CandidateEntry]
