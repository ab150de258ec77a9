"""A minimal pool file, and the faults of a wrong one."""

from pathlib import Path

import pytest

from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError

PATH = Path("pool.yaml")
MINIMAL = b"candidates:\n  - {name: fast, base_url: http://localhost:1/v1, model: m}\n"


def faults(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(PoolFileError) as caught:
        file.parse(data, PATH)
    return str(caught.value).splitlines()
