"""`lightrouter up` over a pool file: what it starts, keeps running, takes up and leaves behind."""

import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.suite.up_support import TIMEOUT_S, Up, cli, pool_text, until

Start = Callable[..., Up]


WAYS = [[], ["--processes"]]


@pytest.fixture(params=WAYS, ids=["one process", "processes"])
def up(tmp_path: Path, pool: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    started = Up(tmp_path, "--pool", str(pool), *request.param)
    yield started
    started.end()


@pytest.fixture
def processes(tmp_path: Path, pool: Path) -> Iterator[Up]:
    started = Up(tmp_path, "--pool", str(pool), "--processes")
    yield started
    started.end()


def health(address: str) -> dict[str, str]:
    listed = json.loads(cli("pool", "list", "-o", "json", address=address).stdout or "{}")
    return {status["candidate"]["name"]: status.get("health", "") for status in listed.get("candidates", [])}


def test_it_answers_lists_its_pool_and_ends_in_silence(up: Up) -> None:
    address = up.wait_ready()
    assert up.process.stdout.readline() == f"ready: {address}\n"
    assert health(address) == dict.fromkeys(("alpha", "beta"), "CANDIDATE_HEALTH_SERVING")

    answered = cli("ask", "Why?", "-o", "json", "--k", "1", "--margin", "0", address=address)
    assert answered.returncode == 0, answered.stderr
    answer = json.loads(answered.stdout)
    [chosen] = answer["candidates"]
    assert answer["text"] == f"{chosen} begins and ends."
    costs = [int(entry["costNanousd"]) for entry in answer["ledger"]["entries"]]
    assert int(answer["ledger"]["costNanousd"]) == sum(costs)

    plain = cli("ask", "Why?", "--k", "1", address=address)
    assert plain.stdout.endswith(" begins and ends.\n")
    assert plain.stderr.startswith("$0.0000")

    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(TIMEOUT_S) == 0
    assert up.log == ""


def test_one_process_is_one(tmp_path: Path, pool: Path) -> None:
    up = Up(tmp_path, "--pool", str(pool))
    try:
        up.wait_ready()
        assert up.family == []
    finally:
        up.end()


def test_processes_end_with_nothing_left(processes: Up) -> None:
    processes.wait_ready()
    router = processes.running("router").cmdline()
    folder = Path(next(word for word in router if word.endswith("router.ready"))).parent
    processes.process.send_signal(signal.SIGTERM)
    assert processes.process.wait(TIMEOUT_S) == 0
    assert len(processes.family) == 5
    assert not [process for process in processes.family if process.is_running()]
    assert not folder.exists()


def test_a_request_that_breaks_a_rule_names_its_flag(up: Up) -> None:
    refused = cli("ask", "Why?", "--candidates", "nobody", address=up.wait_ready())
    assert refused.returncode == 2
    assert "--candidates (prompt.policy.candidates)" in refused.stderr


def test_a_service_that_was_killed_is_started_again(processes: Up) -> None:
    up = processes
    address = up.wait_ready()
    for module, candidate in (("adapter", "alpha"), ("router", "")):
        before = up.running(module, candidate)
        before.kill()
        before.wait(TIMEOUT_S)
        up.running(module, candidate)
    until("alpha serves again", lambda: health(address).get("alpha") == "CANDIDATE_HEALTH_SERVING")
    assert "adapter-alpha | was ended by SIGKILL; restarts in 0.2 s" in up.log
    assert "router | was ended by SIGKILL; restarts in 0.2 s" in up.log
    assert cli("ask", "Why?", "--candidates", "alpha", address=address).returncode == 0


def test_the_pool_file_is_followed_without_a_restart(up: Up, pool: Path, base_url: str) -> None:
    address = up.wait_ready()
    pool.write_text(pool_text(base_url, "alpha", "gamma"))
    until("gamma serves", lambda: health(address).get("gamma") == "CANDIDATE_HEALTH_SERVING")
    assert cli("ask", "Why?", "--candidates", "gamma", address=address).stdout == "gamma begins and ends.\n"
    assert "beta" not in health(address)

    pool.write_text(pool_text(base_url, "alpha", "gamma").replace("http://", "htp://"))
    until("the change is refused", lambda: f"{pool}:3: candidates[0].base_url: must be an http or https URL" in up.log)
    assert set(health(address)) == {"alpha", "gamma"}


def test_the_process_of_a_candidate_ends_with_its_entry(processes: Up, pool: Path, base_url: str) -> None:
    processes.wait_ready()
    router, beta = processes.running("router"), processes.running("adapter", "beta")
    pool.write_text(pool_text(base_url, "alpha"))
    beta.wait(TIMEOUT_S)
    assert processes.running("router") == router


def test_killing_up_leaves_no_process(processes: Up) -> None:
    up = processes
    up.wait_ready()
    up.process.kill()
    up.process.wait(TIMEOUT_S)
    assert len(up.family) == 5
    _, alive = psutil.wait_procs(up.family, TIMEOUT_S)
    assert alive == []


def test_a_signal_while_it_starts_leaves_nothing(processes: Up) -> None:
    up = processes
    until("the first service runs", lambda: up.service("selector"))
    family = up.process.children(recursive=True)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(TIMEOUT_S) == 0
    assert not [process for process in family if process.is_running()]


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("LIGHTROUTER_ALL_TOKENS_FILE", "none", "none"),
        ("LIGHTROUTER_ALL_K", "0", "setting k (--k, LIGHTROUTER_ALL_K)"),
        ("LIGHTROUTER_ALL_TLS_CERT_FILE", "none", "--tls-cert-file and --tls-key-file go together"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_sentence(pool: Path, variable: str, value: str, fault: str) -> None:
    ended = cli("up", "--pool", str(pool), "--listen", "127.0.0.1:0", more={variable: value})
    assert ended.returncode == 2
    assert ended.stderr.startswith("lightrouter up: ")
    assert fault in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("way", WAYS, ids=["one process", "processes"])
def test_an_address_that_is_taken_is_one_sentence(pool: Path, way: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = cli("up", "--pool", str(pool), "--listen", f"127.0.0.1:{taken.getsockname()[1]}", *way)
    assert ended.returncode == 1
    before = "router ended with status 1 before it was ready: " if way else ""
    assert f"lightrouter up: {before}cannot listen on 127.0.0.1" in ended.stderr
    assert "it is in use, not of this machine, or not allowed\n" in ended.stderr
    assert not re.search(r"Traceback|GRPC|\.cc:", ended.stderr)
