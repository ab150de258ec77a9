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
    """The settings of the router."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ROUTER_")

    pool_source: Literal["file", "kubernetes"] = "file"
    """Home of the pool: the file `pool`, or the Candidate resources of a namespace."""
    pool: Path | None = None
    """The pool file; changes take effect at once."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Namespace of the Candidate resources; default: the pod's own."""
    candidate_selector: str = ""
    """Label selector of the Candidate resources; empty for all in the namespace."""
    judge: str | None = None
    """Candidate that judges for the selector `llm`, for a pool in a cluster; a pool file names it itself."""
    synthesizer: str | None = None
    """Candidate that merges for the aggregator `synthesize`, for a pool in a cluster; a pool file names it itself."""
    selector_address: str = Field(min_length=1)
    """gRPC target of the selector, HOST:PORT or unix:PATH."""
    aggregator_address: str = Field(min_length=1)
    """gRPC target of the aggregator, HOST:PORT or unix:PATH."""
    adapter_address: Annotated[str, AfterValidator(_template)] = ADAPTER_ADDRESS
    """gRPC target of the adapter of a candidate without an address of its own; {name} stands for its name."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Largest message that a caller may send, in bytes."""
    max_bytes_in_flight: int = Field(default=24 * 1024 * 1024, ge=1024)
    """Most bytes of the requests served at the same time, for requests up to 64 KiB and for larger ones each; more are
    refused with RESOURCE_EXHAUSTED. With eight candidates the memory grows by up to 12 times as much."""

    tokens_file: Path | None = None
    """File of the callers' tokens, one per line: a name, a colon, and the SHA-256 of the token in hex. Changes take
    effect at once. Without this, jwt_jwks_url and jwt_jwks_file everybody may call."""
    jwt_jwks_url: str | None = Field(default=None, pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])")
    """URL at which the issuer of the callers' JWTs publishes its keys, https://..."""
    jwt_jwks_file: Path | None = None
    """File with the issuer's keys, in place of jwt_jwks_url."""
    jwt_jwks_ca_file: Path | None = None
    """Certificate authorities (PEM) that vouch for the server of jwt_jwks_url; default: the system's."""
    jwt_jwks_token_file: Path | None = None
    """File with the bearer token for the server of jwt_jwks_url, which the Kubernetes API asks for."""
    jwt_issuer: str | None = None
    """Required `iss` of a JWT."""
    jwt_audience: str | None = None
    """Required `aud` of a JWT."""
    allowed_callers: str = ""
    """Comma-separated callers that may call: names of tokens_file and subjects of JWTs, with * for any text; empty for
    all callers with a valid token."""

    boot_tokens: int = Field(default=200, ge=1, le=4096)
    """Default tokens that each candidate writes before the ranking."""
    k: int = Field(default=2, ge=1, le=64)
    """Default number of candidates that go on after the ranking."""
    selector: Annotated[str, one_of(SelectorStrategy)] = "consensus"
    """Default strategy that ranks the partials: llm, consensus, prior, random or learned."""
    aggregator: Annotated[str, one_of(AggregatorStrategy)] = "synthesize"
    """Default strategy that makes the answer of the drafts: synthesize, vote or best."""
    margin: float = Field(default=0.3, ge=0, le=1)
    """Default lead of the first score over the second from which one candidate suffices."""
    agreement: float = Field(default=0.95, ge=0, le=1)
    """Default agreement of the partials from which one candidate suffices."""
    quorum: float = Field(default=0.75, gt=0, le=1)
    """Default share of the candidates whose partials suffice after the grace period; never more than all but one of
    several."""
    max_cost_nanousd: int | None = Field(default=None, ge=1)
    """Default cost ceiling of a route, in nano-dollars; none for no ceiling."""
    max_output_tokens: int = Field(default=1024, ge=1, le=131_072)
    """Default limit of an answer's tokens."""
    maximum_cost_nanousd: int | None = Field(default=None, ge=1)
    """Highest cost ceiling of any route, in nano-dollars; a request that asks for more, or for no ceiling, gets it."""
    maximum_boot_tokens: int | None = Field(default=None, ge=1, le=4096)
    """Most boot tokens of a candidate; a request that asks for more gets this many."""
    maximum_k: int | None = Field(default=None, ge=1, le=64)
    """Most candidates that go on; a request that asks for more gets this many."""
    maximum_output_tokens: int | None = Field(default=None, ge=1, le=131_072)
    """Most tokens of any answer; a request that asks for more gets this many."""
    probation_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the requests in which a candidate on probation takes part."""

    shortlist: int = Field(default=0, ge=0, le=256)
    """Default limit of the candidates that boot, the best for the prompt; 0 boots all."""
    exploring_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the requests in which one more candidate boots than the shortlist has, so that priors stay correct."""
    min_gain: float = Field(default=0, ge=0, le=1000)
    """Default gain in expected quality per 1,000 output tokens from which one more draft is completed, up to k; 0
    always completes k. For the selector `learned`, which returns gains."""

    drift_tolerance: float = Field(default=0.05, ge=0, le=1)
    """How much worse than its own history a candidate's failure rate, slowness, scores or agreement may be
    before it goes on probation; with 1 it never does."""
    drift_run_length: int = Field(default=10_000, ge=10, le=10**12)
    """Least average number of requests of a candidate between two false alarms of that kind."""
    minimum_candidates: int = Field(default=2, ge=1, le=256)
    """Least number of candidates that stay admitted, whatever their figures are."""

    boot_grace_seconds: float = Field(default=1.0, ge=0, le=600)
    """Seconds that the other candidates have after a quorum has booted; at least as long as the quorum needed."""
    boot_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a request's time after which the boot stage ends with the boots that are there."""
    select_share: float = Field(default=0.3, gt=0, le=1)
    """Share of the time then left that the selector may take."""
    complete_share: float = Field(default=0.7, gt=0, le=1)
    """Share of the time then left after which a completion that has not ended is replaced or left out."""
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
        """The values for what a request leaves out."""
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
        """The rules of drift detection."""
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
