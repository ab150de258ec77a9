"""`lightrouter pool`: a person's word on the candidates, what is held of them, and new ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lightrouter.cli import candidates, pool_evaluate
from lightrouter.cli.__main__ import run
from lightrouter.cli.text import printable
from lightrouter.pool import file, statefile
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.status import ADMITTED, DIVERSE, DRIFTED
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.router_pb2 import CandidateStatus, ListCandidatesResponse, Traffic
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter
from tests.unit.cli.init_support import Upstream
from tests.unit.cli.test_init import upstream as upstream_of_init
from tests.unit.pool.status_support import condition
from tests.unit.pool.test_status import EVICTED
from tests.upstreams.cluster import Cluster

upstream = upstream_of_init


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "pool.yaml"
    found.write_text(
        "# Ours.\njudge: a\ncandidates:\n  - {name: a, base_url: http://h, model: m}  # the first\n"
        "  - {name: b, base_url: http://h, model: m}\n"
    )
    return found


def pool(*arguments: str) -> int:
    return run(["pool", *arguments])


def test_a_person_evicts_and_readmits_and_the_router_sees_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watched = FileStore(path, lambda _: None)

    def seen() -> State:
        asyncio.run(watched.refresh())
        return watched.pool.entries["b"].state

    assert pool("evict", "b", "--pool", str(path), "--reason", "it leaks") == 0
    assert capsys.readouterr().out == "b is evicted\n"
    assert seen() is State.EVICTED
    assert statefile.load(statefile.state_path(path))["b"].held_out
    assert pool("status", "--pool", str(path)) == 0
    shown = capsys.readouterr().out
    assert "ByHand: it leaks" in shown
    assert "as its entry says" in shown
    capsys.readouterr()
    assert pool("readmit", "b", "--pool", str(path), "--probation") == 0
    assert capsys.readouterr().out == "b is on probation\n"
    assert seen() is State.PROBATION
    assert pool("readmit", "b", "--pool", str(path)) == 0
    assert seen() is State.ADMITTED


@pytest.mark.parametrize("way", ["folder", "environment"])
def test_the_pool_file_of_the_folder_or_the_environment_is_taken(
    path: Path, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(path.parent if way == "folder" else "/")
    if way == "environment":
        monkeypatch.setenv("LIGHTROUTER_POOL", str(path))
    for command in (["evict", "b"], ["status"], ["evaluate", "--set", "gone.jsonl"], ["check", "c"]):
        pool(*command)
        assert "pool file" not in capsys.readouterr().err
    assert statefile.load(statefile.state_path(path))["b"].held_out


@pytest.mark.parametrize(
    "command", ["status", "evict b", "readmit b", "check", "discover http://h", "evaluate --set s"]
)
def test_a_missing_pool_file_is_a_sentence_that_says_what_to_do(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTROUTER_POOL", raising=False)
    assert pool(*command.split()) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("--pool", "$LIGHTROUTER_POOL", "lightrouter pool init URL"))


@pytest.mark.parametrize("form", candidates.FORMS)
def test_a_router_and_a_pool_file_show_a_candidate_in_one_shape(
    path: Path, form: str, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = file.load(path).entries.values()
    listed = ListCandidatesResponse(candidates=[CandidateStatus(candidate=entry.to_proto("")) for entry in entries])
    assert pool("status", "--pool", str(path), "-o", form) == 0
    held = capsys.readouterr().out
    assert pool("list", "--address", serve(FakeRouter(pool=listed)), "-o", form) == 0
    seen = capsys.readouterr().out
    if form in {"table", "wide"}:
        own = {"why", "health"}
        assert set(held.splitlines()[0].split()) - own == set(seen.splitlines()[0].split()) - own
    else:
        assert held == seen


def test_a_pool_without_anybody_is_said_to_be_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        assert pool("evict", name, "--pool", str(path)) == 0
    assert "the pool has no admitted candidate left" in capsys.readouterr().err


def test_the_status_as_json_has_the_shape_that_a_router_gives(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statefile.amend(statefile.state_path(path), {"b": EVICTED})
    assert pool("status", "--pool", str(path), "-o", "json") == 0
    a, b = json.loads(capsys.readouterr().out)["candidates"]
    assert b["candidate"]["state"] == "CANDIDATE_STATE_EVICTED"
    assert b["candidate"]["evaluation"]["score"] == pytest.approx(0.6)
    assert a["candidate"]["state"] == "CANDIDATE_STATE_ADMITTED"


async def test_a_person_overrules_it_in_a_cluster_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with Cluster() as cluster:
        config = {
            "current-context": "here",
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": "me"}},
                {"name": "other", "context": {"cluster": "here", "user": "me", "namespace": "team"}},
                {"name": "away", "context": {"cluster": "away", "user": "me"}},
            ],
            "clusters": [
                {"name": "here", "cluster": {"server": f"http://127.0.0.1:{cluster.port}"}},
                {"name": "away", "cluster": {"server": "http://127.0.0.1:9"}},
            ],
            "users": [{"name": "me", "user": {"token": "mine"}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        location = "kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(location, str(tmp_path / "kubeconfig"))
        await cluster.put("a")
        assert await asyncio.to_thread(pool, "evict", "a", "--namespace", "team", "--reason", "it leaks") == 0
        assert cluster.resources["a"]["status"]["state"] == "evicted"
        assert cluster.condition("a", "Admitted") == ("False", "ByHand", "it leaks")
        assert await asyncio.to_thread(pool, "status", "--namespace", "team") == 0
        assert "ByHand: it leaks" in capsys.readouterr().out
        assert await asyncio.to_thread(pool, "readmit", "a", "--namespace", "team") == 0
        assert cluster.resources["a"]["status"]["state"] == "admitted"
        server = f"http://127.0.0.1:{cluster.port}"
        assert f"cluster: here ({server}), namespace team\n" in capsys.readouterr().err
        # A context has a namespace of its own, and wins over the current one and over the pod's account.
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setattr(location, "/nowhere")
        elsewhere = ("--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "other")
        assert await asyncio.to_thread(pool, "evict", "a", *elsewhere) == 0
        assert cluster.resources["a"]["status"]["state"] == "evicted"
        assert f"cluster: other ({server}), namespace team\n" in capsys.readouterr().err
        nowhere = ("--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "nowhere")
        assert await asyncio.to_thread(pool, "readmit", "a", *nowhere) == 2
        assert "nowhere" in capsys.readouterr().err
    assert await asyncio.to_thread(pool, "evaluate", "--namespace", "team", "--set", "gone") == 2
    assert "--adapter-address is required with --namespace" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evict", "c"), "c is not in the pool; it has a, b"),
        (("status", "--candidate-selector", "x=y"), "--candidate-selector is for --namespace"),
        (("status", "--namespace", "team"), "--pool names a file; --namespace, --context and --kubeconfig a cluster"),
        (("evict", "a", "--context", "there"), "--pool names a file"),
        (("evaluate", "--set", "gone.jsonl"), "gone.jsonl: cannot be read"),
        (("evaluate", "--set", "gone.jsonl", "--judge", "a"), "--judge is for --namespace"),
    ],
)
def test_contradicting_arguments_are_refused(
    path: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pool(*arguments, "--pool", str(path)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (["--max-cost", "-1"], "'--max-cost': '-1' must be an amount of US dollars"),
        (["--max-cost", "much"], "'--max-cost': 'much' must be an amount of US dollars"),
        (["--margin", "1"], "'--margin': 1.0 is not in the range 0<x<1"),
        (["--margin", "nan"], "'--margin': 'nan' is not a number"),
        (["--concurrency", "0"], "'--concurrency': 0 is not in the range x>=1"),
        (["--max-time", "nan"], "'--max-time': 'nan' is not a duration above 0"),
        (["--call-timeout", "2 weeks"], "'--call-timeout': '2 weeks' is not a duration above 0"),
        (["--seed", "x"], "'--seed': 'x' is not a valid whole number"),
    ],
)
def test_bounds_are_checked(path: Path, bad: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pool("evaluate", "--pool", str(path), "--set", "s", *bad) == 2
    assert said in capsys.readouterr().err


def test_a_broken_state_file_is_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statefile.state_path(path).write_text("{")
    assert pool("status", "--pool", str(path)) == 1
    assert "pool.state.json is not a state file" in capsys.readouterr().err


def test_new_models_of_an_endpoint_are_proposed(
    upstream: Upstream, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "m"}, {"id": "org/A"})
    before = path.read_text()
    assert pool("discover", upstream.url, "--pool", str(path), "--probation") == 0
    out = capsys.readouterr().out
    assert 'model: "org/A"' in out
    # The pool has an `a` already.
    assert 'name: "a-2"' in out
    assert out.count("state: probation") == 2
    assert path.read_text() == before


@pytest.mark.parametrize("indent", ["", "  ", "    "])
def test_they_join_the_pool_on_probation_and_nothing_else_changes(
    upstream: Upstream, path: Path, indent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(path.read_text().replace("\n  - ", f"\n{indent}- "))
    before = path.read_text()
    upstream.lists({"id": "new"})
    assert pool("discover", upstream.url, "--pool", str(path), "--probation", "--write") == 0
    assert path.read_text().startswith(before.rstrip("\n"))
    made = file.load(path)
    assert list(made.entries) == ["a", "b", "new"]
    assert made.entries["new"].state is State.PROBATION
    capsys.readouterr()
    assert pool("discover", upstream.url, "--pool", str(path), "--probation", "--write") == 0
    assert "serves no new model" in capsys.readouterr().err


def test_a_file_that_has_more_behind_its_candidates_is_left_alone(
    upstream: Upstream, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "candidates:\n  - {name: a, base_url: http://h, model: m}\njudge: a\n"
    path.write_text(text)
    upstream.lists({"id": "new"})
    assert pool("discover", upstream.url, "--pool", str(path), "--write") == 2
    assert "add them to its candidates by hand" in capsys.readouterr().err
    assert path.read_text() == text


def test_a_model_that_is_not_served_is_named(
    upstream: Upstream, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "new"})
    assert pool("discover", upstream.url, "--pool", str(path), "--model", "old") == 2
    assert "does not serve old; it serves new" in capsys.readouterr().err


def test_status_says_who_has_drifted_and_how_far_candidates_err_apart(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = EVICTED.having(
        condition(DRIFTED, True, "OutOfItsHistory", "25% of its last 40 calls failed"),
        condition(DIVERSE, False, "Homogeneous", "The candidates are right and wrong together."),
    )
    statefile.amend(statefile.state_path(path), {"b": held})
    assert pool("status", "--pool", str(path)) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "b has drifted: 25% of its last 40 calls failed.",
        "The candidates are right and wrong together.",
    ]


def test_an_evaluation_asks_a_router_for_drifted_candidates(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    listed = ListCandidatesResponse(
        candidates=[
            CandidateStatus(candidate=Candidate(name="a"), traffic=Traffic(requests=5)),
            CandidateStatus(candidate=Candidate(name="b"), traffic=Traffic(drift="it fails")),
        ]
    )

    def drifted(router: str | None) -> frozenset[str]:
        return asyncio.run(pool_evaluate.drifted(router, None))

    assert drifted(serve(FakeRouter(pool=listed))) == {"b"}
    assert drifted(None) == frozenset()
    # It is no reason not to evaluate that the router is away.
    assert drifted("unix:/does/not/exist") == frozenset()
    assert "the router's drifted candidates are unknown: no router answers at" in caplog.text


def test_no_text_of_the_pool_reaches_the_terminal_raw(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "\x1b[31mred\x07\x9b2J\u202e\r\nfake"
    held = EVICTED.having(*(condition(kind, True, nasty, nasty, nasty) for kind in (ADMITTED, DIVERSE, DRIFTED)))
    statefile.amend(statefile.state_path(path), {"b": held})
    assert pool("status", "--pool", str(path)) == 0
    shown = capsys.readouterr().out
    assert printable(shown) == shown
    assert "[31mred2J fake" in shown
    assert pool("status", "--pool", str(path), "-o", "json") == 0
    shown = capsys.readouterr().out
    assert printable(shown) == shown
    assert json.loads(shown)["candidates"][1]["conditions"][0]["lastTransitionTime"] == nasty


def test_the_table_counts_failures(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {"score": 0.4, "score_low": 0.3, "score_high": 0.5, "evaluated_prompts": 50, "failed_prompts": 30}
    statefile.amend(statefile.state_path(path), {"b": EVICTED.having(**found)})
    assert pool("status", "--pool", str(path)) == 0
    header, _, row = capsys.readouterr().out.splitlines()
    assert row[header.index("failed") :].split()[0] == "30"
    assert pool("status", "--pool", str(path), "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["candidates"][1]["candidate"]["evaluation"]["failed"] == "30"
