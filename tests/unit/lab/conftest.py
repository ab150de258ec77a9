"""What holds for all tests of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from lightrouter.lab.experiments import options
from lightrouter.lab.training import trained
from lightrouter.lab.training.quality import TrainingOptions


@pytest.fixture(autouse=True, scope="session")
def _few_trees() -> Iterator[None]:
    """Lets runs train on made-up recordings as long as these deserve: a tenth of the trees, two boot lengths."""
    quick = partial(TrainingOptions, boot_tokens=(5, 40), rounds=40)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trained, "TrainingOptions", quick)
        patched.setattr(options, "TrainingOptions", quick)
        yield
