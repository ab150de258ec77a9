"""Which adapters a service calls because a request names them."""

from __future__ import annotations

import re
from typing import Final

from lightrouter.runtime.errors import invalid
from lightrouter.v1.candidate_pb2 import ModelTarget

# As in the pool. A name with a dot or a slash could make another host or path of a template.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class AllowedTargets:
    """The gRPC targets that requests may name; nobody makes a service connect to anything else."""

    def __init__(self, templates: str) -> None:
        """Allows what fits one of `templates`, which spaces separate: {name} is the candidate's name, * any text."""
        # Not commas, which a target of several IP addresses has.
        self._templates = templates.split()

    def check(self, target: ModelTarget, field: str) -> None:
        """Lets a target pass that is allowed; `field` is its path from the request.

        Raises:
            ServiceError: INVALID_ARGUMENT: it is not.
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
