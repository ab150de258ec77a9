import json

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.router_pb2 import CandidateStatus, ListCandidatesResponse
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter

POOL = ListCandidatesResponse(candidates=[CandidateStatus(candidate=Candidate(name="fast", model="a" * 60))])


def test_a_pipe_gets_the_whole_table(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["candidates", "--address", serve(FakeRouter(pool=POOL))]) == 0
    assert "a" * 60 in capsys.readouterr().out


def test_json_is_the_response(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["candidates", "--json", "--address", serve(FakeRouter(pool=POOL))]) == 0
    assert json.loads(capsys.readouterr().out)["candidates"][0]["candidate"]["name"] == "fast"
