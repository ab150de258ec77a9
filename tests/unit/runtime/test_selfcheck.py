"""When a service takes itself for silent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lightrouter.runtime.rpc import selfcheck
from lightrouter.runtime.rpc.selfcheck import SelfCheck, SilentServiceError
from lightrouter.runtime.settings import ServiceSettings


class _Scripted(SelfCheck):
    def __init__(self, answers: Sequence[bool]) -> None:
        super().__init__(ServiceSettings(listen="unix:/unused"))
        self.left = list(answers)

    async def _answers(self, address: str) -> bool:
        return self.left.pop(0)


async def test_only_failures_in_a_row_are_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_PAUSE_SECONDS", 0.0)
    check = _Scripted([True, False, False, True, False, False, True, False, False, False])
    with pytest.raises(SilentServiceError):
        await check.watch("unix:/unused")
    assert check.left == []


async def test_a_service_that_never_answered_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_PAUSE_SECONDS", 0.0)
    check = _Scripted([False, False, False])
    await check.watch("unix:/unused")
    assert len(check.left) == 2
