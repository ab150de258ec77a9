"""The documents hang together: links lead somewhere, every page is found from the README, examples are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightrouter.pool.file import parse
from tests.readme import DOCS, DOCUMENTS, README, ROOT, anchors, blocks, links
from tools import reference

LINKS = [(document, target) for document in DOCUMENTS for target in links(document)]
POOLS = [block for document in DOCUMENTS for block in blocks(document, "yaml") if block.startswith("candidates:\n  - ")]


def led_to(document: Path, target: str) -> Path:
    """Returns the file that a link of a document leads to."""
    path = target.partition("#")[0]
    return (document.parent / path).resolve() if path else document


@pytest.mark.parametrize(("document", "target"), LINKS, ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_a_link_leads_to_a_file_and_a_heading(document: Path, target: str) -> None:
    found = led_to(document, target)
    assert found.exists()
    assert found.is_relative_to(ROOT)
    if anchor := target.partition("#")[2]:
        assert anchor in anchors(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_page_names_no_folder_of_one_machine(document: Path) -> None:
    assert not re.search(r"/(root|home|Users|work|tmp)/", document.read_text(encoding="utf-8"))


def test_every_page_is_found_from_the_readme() -> None:
    found: set[Path] = set()
    waiting = [README]
    while waiting:
        document = waiting.pop()
        if document not in found and document.suffix == ".md":
            found.add(document)
            waiting += [led_to(document, target) for target in links(document)]
    assert set(DOCS.rglob("*.md")) <= found


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_file_that_is_shown_is_valid(pool: str, tmp_path: Path) -> None:
    assert parse(pool.encode(), tmp_path / "pool.yaml").entries


def test_buf_is_given_the_protovalidate_of_the_go_example() -> None:
    (commit,) = re.findall(r"commit: (\w{12})", (ROOT / "buf.lock").read_text(encoding="utf-8"))
    assert f"-{commit}." in (ROOT / "examples" / "go" / "go.mod").read_text(encoding="utf-8")


def test_the_reference_is_that_of_the_code() -> None:
    stale = [path.name for path, text in reference.outputs().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run make reference"
