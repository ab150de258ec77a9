"""`python -m tests.load.slots`: how soon llama.cpp's slot is idle after the adapter's caller has dropped its call.

Runs the small local model behind an adapter. Ends with status 1 if the median is over the mark.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from statistics import median
from typing import Final

import httpx

from lightrouter.localmodel.download import fetch_model
from lightrouter.v1.chat_pb2 import Sampling
from tests.held import read_to_checkpoint
from tests.rpc.adapter_support import Adapter, adapter, generation

_DROPS: Final = 10
# The time that a dropped call may go on to cost tokens.
_MARK_S: Final = 0.2
_TIMEOUT_S: Final = 120.0


async def _until_idle(served: Adapter, http: httpx.AsyncClient, slots: httpx.URL) -> float:
    """Drops a call at its checkpoint; returns the seconds until no slot of the server computes."""
    endless = Sampling(max_output_tokens=4000, temperature=0)
    call = served.hold(generation("Tell a long story.", sampling=endless), 8, _TIMEOUT_S)
    await read_to_checkpoint(call)
    dropped = time.monotonic()
    call.cancel()
    while any(slot["is_processing"] for slot in (await http.get(slots)).json()):
        pass
    return time.monotonic() - dropped


async def _measure() -> list[float]:
    command = [sys.executable, "-m", "lightrouter.localmodel", "--model", str(fetch_model())]
    server = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert server.stdout is not None
    try:
        ready = json.loads(await server.stdout.readline())
        members = {"model": ready["model"], "extra_body": {"ignore_eos": True}}
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S) as http,
            adapter(ready["base_url"], **members) as served,
        ):
            slots = httpx.URL(ready["base_url"]).join("/slots")
            return [await _until_idle(served, http, slots) for _ in range(_DROPS)]
    finally:
        server.terminate()
        await server.wait()


def main() -> int:
    """Prints the median and the longest time in milliseconds."""
    seconds = asyncio.run(_measure())
    middle = median(seconds)
    sys.stdout.write(
        f"slot idle after a drop: median {middle * 1e3:.0f} ms, longest {max(seconds) * 1e3:.0f} ms of {_DROPS}; "
        f"mark {_MARK_S * 1e3:.0f} ms\n"
    )
    return int(middle > _MARK_S)


if __name__ == "__main__":
    sys.exit(main())
