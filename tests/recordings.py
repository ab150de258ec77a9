"""Recordings that tests make for themselves."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def line(prompt: str, said: Mapping[str, str], *, number: int = 0, **members: object) -> dict[str, object]:
    """Returns a recorded prompt, with a label on each response."""
    responses = {model: {"text": text, "quality": 0.5, "answer": "A"} for model, text in said.items()}
    return {"id": f"p{number}", "prompt": prompt, "answer": "A", "responses": responses, **members}


def write(path: Path, lines: Iterable[Mapping[str, object]]) -> Path:
    """Writes a recording, compressed if the file's name says so."""
    text = "".join(json.dumps(each) + "\n" for each in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
