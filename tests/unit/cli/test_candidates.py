import json

import pytest
from google.protobuf.duration_pb2 import Duration

from lightrouter.cli.__main__ import run
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.router_pb2 import CandidateStatus, ListCandidatesResponse, PoolCondition, Traffic
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter

POOL = ListCandidatesResponse(candidates=[CandidateStatus(candidate=Candidate(name="fast", model="a" * 60))])


def test_a_pipe_gets_the_whole_table(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "list", "--address", serve(FakeRouter(pool=POOL))]) == 0
    assert "a" * 60 in capsys.readouterr().out


def test_json_is_the_response(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "list", "-o", "json", "--address", serve(FakeRouter(pool=POOL))]) == 0
    assert json.loads(capsys.readouterr().out)["candidates"][0]["candidate"]["name"] == "fast"


def test_the_table_shows_the_traffic_and_the_remarks_below(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Traffic(
        requests=200,
        failure_rate=0.25,
        boot_latency=Duration(nanos=750_000_000),
        selected_share=0.5,
        agreement=0.125,
        drift="25% of its last 40 calls failed",
    )
    listed = ListCandidatesResponse(
        candidates=[
            CandidateStatus(candidate=Candidate(name="fast"), traffic=seen),
            CandidateStatus(candidate=Candidate(name="new")),
        ],
        conditions=[PoolCondition(type="Homogeneous", message="The candidates are right and wrong together.")],
    )
    assert run(["pool", "list", "--address", serve(FakeRouter(pool=listed))]) == 0
    out = capsys.readouterr().out
    assert all(figure in out for figure in ("25.0%", "0.75 s", "50%", "0.12"))
    assert out.splitlines()[-2:] == [
        "fast is on probation in this router: 25% of its last 40 calls failed.",
        "Homogeneous: The candidates are right and wrong together.",
    ]
