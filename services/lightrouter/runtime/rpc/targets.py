"""Restricts the adapter addresses that a request may name."""

from __future__ import annotations

import re
from typing import Final

from lightrouter.runtime.errors import invalid
from lightrouter.v1.candidate_pb2 import ModelTarget

# As in the pool. A dot or a slash in a name could turn a template into another host or path.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class AllowedTargets:
    """The gRPC targets that requests may name; the service connects to no other."""

    def __init__(self, templates: str) -> None:
        """Allows targets that match a template; `templates` has spaces between them: {name} is the name, * any text."""
        # Spaces, because a target of several IP addresses contains commas.
        self._templates = templates.split()

    def check(self, target: ModelTarget, field: str) -> None:
        """Checks that a target is allowed; `field` is its path from the request.

        Raises:
            ServiceError: INVALID_ARGUMENT: it is not allowed.
        """
        if not any(_fits(template, target) for template in self._templates):
            address = target.address[:256]
            message = f"this service does not call {address}; its setting adapter_address names the adapters it calls"
            raise invalid(f"{field}.address", message)


def _fits(template: str, target: ModelTarget) -> bool:
    if "{name}" in template and not _NAME.fullmatch(target.candidate):
        return False
    parts = template.replace("{name}", target.candidate).split("*")
    return re.fullmatch(".*".join(map(re.escape, parts)), target.address, re.DOTALL) is not None
