"""Settings of the router."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lightrouter.router.rules import Defaults, DriftRules, Maxima, Shares
from lightrouter.runtime import enums
from lightrouter.runtime.settings import ADAPTER_ADDRESS, OneOf, ServiceSettings
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy

_ROLES: Final = ("judge", "synthesizer")


def _template(address: str) -> str:
    if "{name}" not in address:
        msg = "must hold {name}, which stands for the candidate's name"
        raise ValueError(msg)
    return address


AdapterTemplate = Annotated[str, AfterValidator(_template)]
"""The form of the addresses of adapters; {name} stands for a candidate's name."""


class RouteSettings(ServiceSettings):
    """Settings of the routes, their callers and their candidates, wherever the other services are.

    Default numbers without a named source are choices.
    """

    pool_source: Literal["file", "kubernetes"] = "file"
    """Source of the pool: the file `pool`, or the Candidate resources of a namespace."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Namespace of the Candidate resources; default: the pod's own."""
    candidate_selector: str = ""
    """Label selector of the Candidate resources; empty for all in the namespace."""
    judge: str | None = None
    """Candidate that judges for the selector `llm`; a pool file has its own key for it."""
    synthesizer: str | None = None
    """Candidate that merges for the aggregator `synthesize`; a pool file has its own key for it."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Maximum bytes of a caller's message."""
    max_bytes_in_flight: int = Field(default=24 * 1024 * 1024, ge=1024)
    """Maximum bytes of concurrent requests, counted separately for requests up to 64 KiB and larger ones; more are
    refused with RESOURCE_EXHAUSTED. With eight candidates, memory grows by up to 12 times these bytes."""

    tokens_file: Path | None = None
    """File of the callers' tokens, one per line: a name, a colon, the token's SHA-256 in hex; a change takes effect at
    once. Without this, jwt_jwks_url and jwt_jwks_file everybody may call."""
    jwt_jwks_url: str | None = Field(default=None, pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])")
    """URL of the keys (JWKS) of the issuer of callers' JWTs, https://..."""
    jwt_jwks_file: Path | None = None
    """File of the issuer's keys, instead of jwt_jwks_url."""
    jwt_jwks_ca_file: Path | None = None
    """Authorities (PEM) that certify the server of jwt_jwks_url; default: the system's."""
    jwt_jwks_token_file: Path | None = None
    """File of the bearer token for jwt_jwks_url, if its server needs one, as the Kubernetes API does."""
    jwt_issuer: str | None = None
    """Required `iss` of a JWT."""
    jwt_audience: str | None = None
    """Required `aud` of a JWT."""
    allowed_callers: str = ""
    """Callers that are allowed, separated by commas: names of tokens_file and subjects of JWTs, with * for any text;
    empty: everybody with a valid token."""

    boot_tokens: int = Field(default=200, ge=1, le=4096)
    """Tokens that each candidate writes before the ranking, if a request does not set it."""
    k: int = Field(default=2, ge=1, le=64)
    """Candidates that go on after the ranking, if a request does not set it."""
    selector: Annotated[str, OneOf(SelectorStrategy)] = "consensus"
    """How to rank partials if a request does not set it: llm, consensus, prior, random or learned."""
    aggregator: Annotated[str, OneOf(AggregatorStrategy)] = "synthesize"
    """How drafts become the answer, if a request does not set it: synthesize, vote or best."""
    margin: float = Field(default=0.3, ge=0, le=1)
    """Lead of the first score over the second at which one candidate is enough, if a request does not set it."""
    agreement: float = Field(default=0.95, ge=0, le=1)
    """Agreement among partials at which one candidate is enough, if a request does not set it."""
    quorum: float = Field(default=0.75, gt=0, le=1)
    """Share of the candidates whose partials are enough once the grace period is over, if a request does not set it;
    with several candidates, all but one are always enough."""
    max_cost_nanousd: int | None = Field(default=None, ge=1)
    """Maximum cost of a route, in nano-dollars, if a request does not set it; default: no ceiling."""
    max_output_tokens: int = Field(default=1024, ge=1, le=131_072)
    """Maximum tokens of an answer, if a request does not set it."""
    maximum_cost_nanousd: int | None = Field(default=None, ge=1)
    """Upper limit of a route's cost, in nano-dollars; a larger or missing ceiling is lowered to it."""
    maximum_boot_tokens: int | None = Field(default=None, ge=1, le=4096)
    """Upper limit of a candidate's boot tokens; a larger request is lowered to it."""
    maximum_k: int | None = Field(default=None, ge=1, le=64)
    """Upper limit of the candidates that go on; a larger request is lowered to it."""
    maximum_output_tokens: int | None = Field(default=None, ge=1, le=131_072)
    """Upper limit of an answer's tokens; a larger request is lowered to it."""
    probation_share: float = Field(default=0.05, ge=0, le=1)
    """Share of requests that include a candidate on probation."""

    shortlist: int = Field(default=0, ge=0, le=256)
    """Maximum candidates that boot, the best for the prompt, if a request does not set it; 0 boots all."""
    exploring_share: float = Field(default=0.02, ge=0, le=1)
    """Share of requests that boot one candidate beyond the shortlist, so that priors stay correct."""
    min_gain: float = Field(default=0, ge=0, le=1000)
    """Minimum gain in expected quality per 1,000 output tokens of one more draft, up to k, if a request does not set
    it; 0 always asks for k. Only the selector `learned`, which knows gains, uses it."""

    hold: Annotated[str, OneOf(Hold)] = "auto"
    """Whether a boot call stays open until the ranking, so that it can go on, if a request does not set it: auto (if
    that is expected to cost no more than a second call), always or never."""

    drift_tolerance: float = Field(default=0.05, ge=0, le=1)
    """How much worse than its own history a candidate's failure rate, slowness, scores or agreement may be
    before it goes on probation; 1: never."""
    drift_run_length: int = Field(default=10_000, ge=10, le=10**12)
    """Average number of a candidate's requests between two false alarms of drift, at least."""
    minimum_candidates: int = Field(default=2, ge=1, le=256)
    """Minimum number of candidates that stay admitted, even with bad figures."""

    boot_grace_seconds: float = Field(default=1.0, ge=0, le=600)
    """Grace period in seconds for the other candidates once a quorum has booted; longer if the quorum itself took
    longer."""
    boot_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a request's time after which the boot stage ends with the partials so far."""
    select_share: float = Field(default=0.3, gt=0, le=1)
    """The selector's share of the time that is then left."""
    complete_share: float = Field(default=0.7, gt=0, le=1)
    """Share of the time then left after which an unfinished completion is replaced or left out."""
    aggregate_share: float = Field(default=0.9, gt=0, le=1)
    """The aggregator's share of the time that is then left."""

    @model_validator(mode="after")
    def _of_resources(self) -> Self:
        for name in ("namespace", "candidate_selector", *_ROLES):
            if self.pool_source == "file" and getattr(self, name):
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag} is not for --pool-source file; leave it out")
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
            raise ValueError("--allowed-callers needs --tokens-file, or a JWT issuer: else no caller is known")
        return self

    @property
    def defaults(self) -> Defaults:
        """The defaults of requests, and their bounds."""
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
            hold=enums.value(Hold, self.hold),
        )
        maxima = Maxima(self.maximum_cost_nanousd, self.maximum_boot_tokens, self.maximum_k, self.maximum_output_tokens)
        return Defaults(policy, self.max_output_tokens, self.probation_share, self.exploring_share, maxima)

    @property
    def drift_rules(self) -> DriftRules:
        """The rules that decide whether a candidate has drifted."""
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


class RouterSettings(RouteSettings):
    """Settings of the router; each is a flag, an environment variable and a key of the YAML file."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ROUTER_")

    pool: Path | None = None
    """The pool file; a change takes effect at once."""
    selector_address: str = Field(min_length=1)
    """gRPC target of the selector, HOST:PORT or unix:PATH."""
    aggregator_address: str = Field(min_length=1)
    """gRPC target of the aggregator, HOST:PORT or unix:PATH."""
    adapter_address: AdapterTemplate = ADAPTER_ADDRESS
    """gRPC target of the adapter of a candidate without an address; {name} stands for its name."""

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if self.pool_source == "file" and self.pool is None:
            raise ValueError("--pool is required: name the pool file, or give --pool-source kubernetes")
        if self.pool_source == "kubernetes" and self.pool:
            raise ValueError("--pool is not for --pool-source kubernetes; leave it out")
        return self
