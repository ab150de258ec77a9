"""Settings of the suite in one process: those of its services under one prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, create_model
from pydantic_settings import SettingsConfigDict

from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.router.settings import AdapterTemplate, RouterSettings, RouteSettings
from lightrouter.runtime import settings
from lightrouter.runtime.settings import AskingSettings, ServiceSettings
from lightrouter.selector.settings import SelectorSettings
from lightrouter.suite.addresses import TEMPLATE

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)

# Every request of the router names its strategy, and the router has a setting `agreement` of its own.
_LEFT_OUT: Final = frozenset({"strategy", "agreement"})


class SuiteSettings(RouteSettings):
    """Settings of the suite; each is a flag, an environment variable and a key of the YAML file.

    Those of selector and aggregator are added by `load`.
    """

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ALL_")

    pool: Path
    """The pool file; a change takes effect at once. The adapter of an entry with an address runs elsewhere. With
    pool_source kubernetes the file is read for the adapters alone."""
    adapter_address: AdapterTemplate = TEMPLATE
    """The address by which a Candidate resource names an adapter of this process; {name} stands for the candidate's
    name."""
    draft_agreement: float = Field(default=AggregatorSettings.model_fields["agreement"].default, ge=0, le=1)
    """Similarity of every two drafts, 0 to 1, at which they agree and the best one is the answer."""

    @property
    def router_settings(self) -> RouterSettings:
        """The settings of the router."""
        pool = self.pool if self.pool_source == "file" else None
        return self._part(RouterSettings, selector_address="", aggregator_address="", pool=pool)

    @property
    def selector_settings(self) -> SelectorSettings:
        """The settings of the selector."""
        return self._part(SelectorSettings)

    @property
    def aggregator_settings(self) -> AggregatorSettings:
        """The settings of the aggregator."""
        return self._part(AggregatorSettings, agreement=self.draft_agreement)

    def _part(self, service: type[SettingsType], **more: object) -> SettingsType:
        # Every value is valid already, and the environment of the service itself is not this suite's.
        known = service.model_fields.keys() & type(self).model_fields.keys()
        return service.model_construct(**{name: getattr(self, name) for name in known} | more)


def load(argv: Sequence[str] | None = None) -> SuiteSettings:
    """Returns the settings. See `runtime.settings.load`."""
    return settings.load(whole(), argv)


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> SuiteSettings:
    """Returns the settings. See `runtime.settings.read`."""
    return settings.read(whole(), arguments, environment)


def whole() -> type[SuiteSettings]:
    """Returns the settings with those of selector and aggregator that no other service has."""
    added = {name: field for service in (SelectorSettings, AggregatorSettings) for name, field in _own(service)}
    made: type[SuiteSettings] = create_model("AllSettings", __base__=SuiteSettings, **added)
    return made


def _own(service: type[ServiceSettings]) -> Iterator[tuple[str, Any]]:
    for name, field in service.model_fields.items():
        if name not in _LEFT_OUT and name not in AskingSettings.model_fields:
            yield name, (field.annotation, field)
