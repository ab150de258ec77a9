"""Settings of the router."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lightrouter.router.rules import Defaults, DriftRules, Maxima, Shares
from lightrouter.runtime.settings import ADAPTER_ADDRESS, ServiceSettings, one_of
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy

_SELECTOR = "SELECTOR_STRATEGY_"
_AGGREGATOR = "AGGREGATOR_STRATEGY_"
_ROLES: Final = ("judge", "synthesizer")


def _template(address: str) -> str:
    if "{name}" not in address:
        msg = "must hold {name}, which stands for the candidate's name"
        raise ValueError(msg)
    return address


class RouterSettings(ServiceSettings):
    """Settings of the router."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ROUTER_")

    pool_source: Literal["file", "kubernetes"] = "file"
    """Where the pool is read: from the file `pool`, or from the Candidate resources of a namespace."""
    pool: Path | None = None
    """The pool file; a change of it takes effect at once."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Namespace of the Candidate resources; none: the pod's own."""
    candidate_selector: str = ""
    """Label selector of the Candidate resources; empty: all of the namespace."""
    judge: str | None = None
    """Candidate that judges for the selector `llm`, for a pool from Candidate resources; a pool file names it
    itself."""
    synthesizer: str | None = None
    """Candidate that merges for the aggregator `synthesize`, for a pool from Candidate resources; a pool file names it
    itself."""
    selector_address: str = Field(min_length=1)
    """gRPC target of the selector, HOST:PORT or unix:PATH."""
    aggregator_address: str = Field(min_length=1)
    """gRPC target of the aggregator, HOST:PORT or unix:PATH."""
    adapter_address: Annotated[str, AfterValidator(_template)] = ADAPTER_ADDRESS
    """gRPC target of the adapter of a candidate without its own address; {name} stands for its name."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Largest message received from a caller, in bytes."""
    max_bytes_in_flight: int = Field(default=24 * 1024 * 1024, ge=1024)
    """Bytes of requests served at the same time: one such limit for requests up to 64 KiB, one for larger ones. More
    are refused with RESOURCE_EXHAUSTED. With eight candidates memory grows by up to 12 times as much."""

    tokens_file: Path | None = None
    """File of the callers' tokens, one per line: a name, a colon, the token's SHA-256 in hex; a change of it takes
    effect at once. With neither this nor jwt_jwks_url nor jwt_jwks_file everybody may call."""
    jwt_jwks_url: str | None = Field(default=None, pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])")
    """URL of the keys of the callers' JWT issuer (JWKS), https://..."""
    jwt_jwks_file: Path | None = None
    """The issuer's keys in a file, instead of jwt_jwks_url."""
    jwt_jwks_ca_file: Path | None = None
    """Authorities (PEM) that the server of jwt_jwks_url is verified with; none: the system's."""
    jwt_jwks_token_file: Path | None = None
    """File of the bearer token that the server of jwt_jwks_url requires, as the Kubernetes API does."""
    jwt_issuer: str | None = None
    """Required `iss` of a JWT."""
    jwt_audience: str | None = None
    """Required `aud` of a JWT."""
    allowed_callers: str = ""
    """Allowed callers, separated by commas: names of tokens_file and subjects of JWTs, in which * stands for any text;
    empty: everybody with a valid token."""

    boot_tokens: int = Field(default=200, ge=1, le=4096)
    """Tokens that each candidate writes before the ranking, if a request does not say."""
    k: int = Field(default=2, ge=1, le=64)
    """Candidates that complete their drafts after the ranking, if a request does not say."""
    selector: Annotated[str, one_of(SelectorStrategy, _SELECTOR)] = "consensus"
    """How partials are ranked if a request does not say: llm, consensus, prior, random or learned."""
    aggregator: Annotated[str, one_of(AggregatorStrategy, _AGGREGATOR)] = "synthesize"
    """How drafts are merged into the answer if a request does not say: synthesize, vote or best."""
    margin: float = Field(default=0.3, ge=0, le=1)
    """Least lead of the first score over the second at which one candidate suffices, if a request does not say."""
    agreement: float = Field(default=0.95, ge=0, le=1)
    """Least agreement of the partials at which one candidate suffices, if a request does not say."""
    quorum: float = Field(default=0.75, gt=0, le=1)
    """Share of the candidates whose partials suffice once the grace period is over, if a request does not say; of
    several candidates at most all but one are needed."""
    max_cost_nanousd: int | None = Field(default=None, ge=1)
    """Cost ceiling of a route, in nano-dollars, if a request does not say; none: no ceiling."""
    max_output_tokens: int = Field(default=1024, ge=1, le=131_072)
    """Limit of an answer's tokens if a request does not say."""
    maximum_cost_nanousd: int | None = Field(default=None, ge=1)
    """Maximum of a request's cost ceiling, in nano-dollars; more, or no ceiling, is lowered to it."""
    maximum_boot_tokens: int | None = Field(default=None, ge=1, le=4096)
    """Maximum of a request's boot tokens per candidate; more is lowered to it."""
    maximum_k: int | None = Field(default=None, ge=1, le=64)
    """Maximum of a request's k; more is lowered to it."""
    maximum_output_tokens: int | None = Field(default=None, ge=1, le=131_072)
    """Maximum of a request's output tokens; more is lowered to it."""
    probation_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the requests in which a candidate on probation takes part."""

    shortlist: int = Field(default=0, ge=0, le=256)
    """Limit of candidates that boot, the best for the prompt, if a request does not say; 0 boots all."""
    exploring_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the requests in which one candidate boots besides the shortlist, so that priors stay honest."""
    min_gain: float = Field(default=0, ge=0, le=1000)
    """Least gain in expected quality per 1,000 output tokens at which one more draft is asked for, up to k, if a
    request does not say; 0 always asks for k. Only the selector `learned` knows gains."""

    drift_tolerance: float = Field(default=0.05, ge=0, le=1)
    """How much worse than its own history a candidate's failure rate, latency, scores or agreement may become before it
    goes on probation; 1 turns this off."""
    drift_run_length: int = Field(default=10_000, ge=10, le=10**12)
    """Least mean number of a candidate's requests between two false alarms of this kind."""
    minimum_candidates: int = Field(default=2, ge=1, le=256)
    """Least number of candidates that stay admitted, whatever their figures."""

    boot_grace_seconds: float = Field(default=1.0, ge=0, le=600)
    """Seconds that the other candidates get once a quorum has booted, or as many as the quorum took if that is more."""
    boot_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a request's time after which the boot stage ends with the partials that it has."""
    select_share: float = Field(default=0.3, gt=0, le=1)
    """Share of the remaining time that the selector may take."""
    complete_share: float = Field(default=0.7, gt=0, le=1)
    """Share of the remaining time after which an unfinished completion is replaced or dropped."""
    aggregate_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the remaining time that the aggregator may take."""

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
        """The defaults for what a request leaves out, and the maxima."""
        policy = Policy(
            boot_tokens=self.boot_tokens,
            k=self.k,
            selector=SelectorStrategy.Value(_SELECTOR + self.selector.upper()),
            aggregator=AggregatorStrategy.Value(_AGGREGATOR + self.aggregator.upper()),
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
        """The rules by which a candidate has drifted."""
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
