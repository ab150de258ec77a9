"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Machines differ in speed, and no test may depend on it.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
