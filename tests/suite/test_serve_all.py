"""`lightrouter serve all` as a process of its own: the whole suite behind one address."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite.up_support import TIMEOUT_S, cli, environ, pool_text, until


def test_it_answers_and_ends_at_sigterm(tmp_path: Path, base_url: str) -> None:
    pool, ready = tmp_path / "pool.yaml", tmp_path / "ready"
    pool.write_text(pool_text(base_url, "alpha", "beta"))
    command = [sys.executable, "-m", "lightrouter.cli", "serve", "all", "--log-level", "warning"]
    # The variables of a service are not those of the suite.
    variables = {"LIGHTROUTER_ALL_K": "1", "LIGHTROUTER_ALL_POOL": str(pool), "LIGHTROUTER_ROUTER_POOL": "nothing"}
    with subprocess.Popen(
        [*command, "--ready-file", str(ready)], env=environ(variables), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until("it serves", lambda: ready.exists() or process.poll() is not None)
            asked = cli("ask", "Why?", "-o", "json", "--margin", "0", address=ready.read_text().strip())
            assert asked.returncode == 0, asked.stderr
            answer = json.loads(asked.stdout)
            assert answer["text"].endswith(" begins and ends.")
            assert {entry["candidate"] for entry in answer["ledger"]["entries"]} == {"alpha", "beta"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_S) == 0
            assert process.stderr
            assert process.stderr.read() == ""
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((), "setting pool (--pool, LIGHTROUTER_ALL_POOL)"),
        (("--pool", "none.yaml"), "none.yaml: cannot be read"),
        (("--pool", "pool.yaml", "--judge-orders", "1"), "setting judge_orders (--judge-orders"),
        (("--pool", "pool.yaml"), "gone.jsonl"),
    ],
)
def test_a_wrong_setting_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = "{name: a, provider: replay, recording: gone.jsonl, model: m}"
    Path("pool.yaml").write_text(f"candidates:\n  - {entry}\n")
    ended = cli("serve", "all", *arguments)
    assert ended.returncode == 2
    assert fault in ended.stderr
    assert "Traceback" not in ended.stderr
