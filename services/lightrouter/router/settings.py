"""Settings of the router."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lightrouter.router.rules import Defaults, DriftRules, Maxima, Shares
from lightrouter.runtime import enums
from lightrouter.runtime.settings import ADAPTER_ADDRESS, ServiceSettings, one_of
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy

_ROLES: Final = ("judge", "synthesizer")


def _template(address: str) -> str:
    if "{name}" not in address:
        msg = "must hold {name}, which stands for the candidate's name"
        raise ValueError(msg)
    return address


class RouterSettings(ServiceSettings):
    """What the router can be told."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ROUTER_")

    pool_source: Literal["file", "kubernetes"] = "file"
    """Where the pool is: in the file `pool`, or in the Candidate resources of a namespace."""
    pool: Path | None = None
    """The pool file; a change of it takes effect at once."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Namespace of the Candidate resources; none: the pod's own."""
    candidate_selector: str = ""
    """Label selector of the Candidate resources; empty: all of the namespace."""
    judge: str | None = None
    """Candidate that judges for the selector `llm`, where the pool is not a file, which names it itself."""
    synthesizer: str | None = None
    """Candidate that merges for the aggregator `synthesize`, where the pool is not a file, which names it itself."""
    selector_address: str = Field(min_length=1)
    """gRPC target of the selector, HOST:PORT or unix:PATH."""
    aggregator_address: str = Field(min_length=1)
    """gRPC target of the aggregator, HOST:PORT or unix:PATH."""
    adapter_address: Annotated[str, AfterValidator(_template)] = ADAPTER_ADDRESS
    """gRPC target of the adapter of a candidate that has no address of its own; {name} stands for its name."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Largest message received of a caller, in bytes."""
    max_bytes_in_flight: int = Field(default=24 * 1024 * 1024, ge=1024)
    """Bytes of the requests served at the same time, of those up to 64 KiB and of those over it each; more are refused
    with RESOURCE_EXHAUSTED. With eight candidates the memory grows by up to 12 times as much."""

    tokens_file: Path | None = None
    """Tokens that callers may have, a line each: a name, a colon, the SHA-256 of the token in hex; it is watched. With
    neither this nor jwt_jwks_url nor jwt_jwks_file everybody may call."""
    jwt_jwks_url: str | None = Field(default=None, pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])")
    """Where the issuer of the callers' JWTs publishes its keys, https://..."""
    jwt_jwks_file: Path | None = None
    """The issuer's keys in a file, in place of jwt_jwks_url."""
    jwt_jwks_ca_file: Path | None = None
    """Authorities (PEM) by which the server of jwt_jwks_url is known; none: the system's."""
    jwt_jwks_token_file: Path | None = None
    """Bearer token that the server of jwt_jwks_url asks for, as the Kubernetes API does."""
    jwt_issuer: str | None = None
    """What a JWT must have as `iss`."""
    jwt_audience: str | None = None
    """What a JWT must have as `aud`."""
    allowed_callers: str = ""
    """Callers who may call, with commas between them: names of tokens_file and subjects of JWTs, in which * stands for
    any text; empty: all who have a good token."""

    boot_tokens: int = Field(default=200, ge=1, le=4096)
    """Tokens that each candidate writes before the ranking, where a request does not say."""
    k: int = Field(default=2, ge=1, le=64)
    """Candidates that go on after the ranking, where a request does not say."""
    selector: Annotated[str, one_of(SelectorStrategy)] = "consensus"
    """How partials are ranked where a request does not say: llm, consensus, prior, random or learned."""
    aggregator: Annotated[str, one_of(AggregatorStrategy)] = "synthesize"
    """How drafts become the answer where a request does not say: synthesize, vote or best."""
    margin: float = Field(default=0.3, ge=0, le=1)
    """Lead of the first score over the second from which one candidate suffices, where a request does not say."""
    agreement: float = Field(default=0.95, ge=0, le=1)
    """Agreement among partials from which one candidate suffices, where a request does not say."""
    quorum: float = Field(default=0.75, gt=0, le=1)
    """Share of the candidates whose partials suffice once the grace is over, where a request does not say; of several
    all but one suffice at most."""
    max_cost_nanousd: int | None = Field(default=None, ge=1)
    """Most that a route may cost, in nano-dollars, where a request does not say; none: no ceiling."""
    max_output_tokens: int = Field(default=1024, ge=1, le=131_072)
    """Most tokens of an answer, where a request does not say."""
    maximum_cost_nanousd: int | None = Field(default=None, ge=1)
    """Most that any route may cost, in nano-dollars; a request that asks for more, or for no ceiling, is held to it."""
    maximum_boot_tokens: int | None = Field(default=None, ge=1, le=4096)
    """Most boot tokens of a candidate; a request that asks for more is held to it."""
    maximum_k: int | None = Field(default=None, ge=1, le=64)
    """Most candidates that go on; a request that asks for more is held to it."""
    maximum_output_tokens: int | None = Field(default=None, ge=1, le=131_072)
    """Most tokens of any answer; a request that asks for more is held to it."""
    probation_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the requests in which a candidate on probation takes part."""

    shortlist: int = Field(default=0, ge=0, le=256)
    """Candidates that boot at most, the best for the prompt, where a request does not say; 0 boots all."""
    exploring_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the requests in which one candidate boots besides the shortlist, so that priors stay honest."""
    min_gain: float = Field(default=0, ge=0, le=1000)
    """Gain in expected quality for each 1,000 output tokens from which one more draft is asked for, up to k, where a
    request does not say; 0 always asks for k. For the selector `learned`, which knows gains."""

    drift_tolerance: float = Field(default=0.05, ge=0, le=1)
    """How much worse than its own history a candidate's failure rate, slowness, scores or agreement may be
    before it goes on probation; 1 never lets it."""
    drift_run_length: int = Field(default=10_000, ge=10, le=10**12)
    """Requests that a candidate takes part in between two such cases without a cause, at least so many on average."""
    minimum_candidates: int = Field(default=2, ge=1, le=256)
    """Candidates that stay admitted whatever their figures are, at least so many."""

    boot_grace_seconds: float = Field(default=1.0, ge=0, le=600)
    """Seconds that the other candidates get once a quorum has booted; as many as those needed where that is more."""
    boot_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a request's time after which the boot stage ends with what there is."""
    select_share: float = Field(default=0.3, gt=0, le=1)
    """Share of the time then left that the selector may take."""
    complete_share: float = Field(default=0.7, gt=0, le=1)
    """Share of the time then left after which a completion that has not ended is replaced or done without."""
    aggregate_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the time then left that the aggregator may take."""

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if self.pool_source == "file" and self.pool is None:
            raise ValueError("--pool is required: name the pool file, or give --pool-source kubernetes")
        other = ("pool",) if self.pool_source == "kubernetes" else ("namespace", "candidate_selector", *_ROLES)
        for name in other:
            if getattr(self, name):
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag} is not for --pool-source {self.pool_source}; leave it out")
        return self

    @model_validator(mode="after")
    def _whole_issuer(self) -> Self:
        if self.jwt_jwks_url and self.jwt_jwks_file:
            raise ValueError("--jwt-jwks-url and --jwt-jwks-file are both given; keep one")
        if self.jwt_jwks_url or self.jwt_jwks_file:
            if not (self.jwt_issuer and self.jwt_audience):
                raise ValueError("--jwt-issuer and --jwt-audience are required: not every token is for the router")
        elif self.jwt_issuer or self.jwt_audience:
            raise ValueError("--jwt-issuer and --jwt-audience need --jwt-jwks-url or --jwt-jwks-file")
        if not self.jwt_jwks_url and (self.jwt_jwks_ca_file or self.jwt_jwks_token_file):
            raise ValueError("--jwt-jwks-ca-file and --jwt-jwks-token-file are for --jwt-jwks-url")
        if self.allowed_callers and not (self.tokens_file or self.jwt_issuer):
            raise ValueError("--allowed-callers needs --tokens-file, or a JWT issuer: else nobody is known")
        return self

    @property
    def defaults(self) -> Defaults:
        """What holds where a request says nothing."""
        policy = Policy(
            boot_tokens=self.boot_tokens,
            k=self.k,
            selector=enums.value(SelectorStrategy, self.selector),
            aggregator=enums.value(AggregatorStrategy, self.aggregator),
            max_cost_nanousd=self.max_cost_nanousd,
            margin=self.margin,
            agreement=self.agreement,
            quorum=self.quorum,
            shortlist=self.shortlist,
            min_gain=self.min_gain,
        )
        maxima = Maxima(self.maximum_cost_nanousd, self.maximum_boot_tokens, self.maximum_k, self.maximum_output_tokens)
        return Defaults(policy, self.max_output_tokens, self.probation_share, self.exploring_share, maxima)

    @property
    def drift_rules(self) -> DriftRules:
        """When a candidate has drifted."""
        return DriftRules(self.drift_tolerance, self.drift_run_length, self.minimum_candidates)

    @property
    def shares(self) -> Shares:
        """The stages' shares of a request's time."""
        return Shares(
            boot=self.boot_share,
            select=self.select_share,
            complete=self.complete_share,
            aggregate=self.aggregate_share,
            grace_s=self.boot_grace_seconds,
        )
