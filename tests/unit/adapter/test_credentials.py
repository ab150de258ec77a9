"""API keys: their sources, and that they appear nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightrouter.adapter.credentials import Credentials, EnvironmentKey, FileKey, NoKey, credentials
from lightrouter.adapter.faults import UpstreamError
from lightrouter.v1.error_reason_pb2 import ErrorReason

SECRET = "sk-very-secret-indeed"


def missing(keys: Credentials) -> str:
    with pytest.raises(UpstreamError) as caught:
        keys.key()
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED
    return caught.value.message


def test_credentials_without_a_key() -> None:
    assert credentials(None, None).key().get_secret_value() == ""


def test_credentials_from_the_environment() -> None:
    keys = EnvironmentKey("KEY", {"KEY": f" {SECRET}\n"})
    assert keys.key().get_secret_value() == SECRET
    assert "KEY" in missing(EnvironmentKey("KEY", {}))
    assert "KEY" in missing(EnvironmentKey("KEY", {"KEY": " "}))


def test_a_key_that_is_none_is_not_quoted() -> None:
    assert "secret" not in missing(EnvironmentKey("KEY", {"KEY": "secret\nX-Injected: 1"}))


def test_credentials_from_a_rotated_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    keys = credentials(None, path)
    assert keys.key().get_secret_value() == "first"
    replacement = tmp_path / "new"
    replacement.write_text("other")
    replacement.replace(path)
    assert keys.key().get_secret_value() == "other"
    path.write_text("third")
    os.utime(path, ns=(1, 1))
    assert keys.key().get_secret_value() == "third"
    path.unlink()
    assert "cannot be read" in missing(keys)


def test_through_a_link_as_kubernetes_swaps_it(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("v1")
    keys = FileKey(link / "key")
    assert keys.key().get_secret_value() == "v1"
    link.unlink()
    link.symlink_to("v2")
    assert keys.key().get_secret_value() == "v2"


def test_reprs_never_show_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    keys: list[Credentials] = [FileKey(path), EnvironmentKey("KEY", {"KEY": SECRET}), NoKey()]
    for key in keys:
        shown = f"{key!r} {key} {key.key()!r} {key.key()}"
        assert SECRET not in shown
