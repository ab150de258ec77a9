from pathlib import Path

from lightrouter.cli import replaypool
from lightrouter.pool import file
from lightrouter.pool.prices import PriceList


def test_the_models_of_a_recording_are_a_pool(tmp_path: Path) -> None:
    recording = tmp_path / "data: 1.jsonl.gz"
    text = replaypool.text(recording, ["gemini-1.5-flash-002", "Mine/7B", "mine-7b"], pace=True)
    pool = file.parse(text.encode(), Path("pool.yaml"))
    assert list(pool.entries) == ["gemini-1-5-flash-002", "mine-7b", "mine-7b-2"]
    listed, other, _ = pool.entries.values()
    assert listed.prices == PriceList.model_validate({"input": "0.075", "cached_input": "0.01875", "output": "0.3"})
    assert (other.model, other.recording, other.pace, other.prior) == ("Mine/7B", recording, True, 0.5)
    assert other.prices.input > 0
