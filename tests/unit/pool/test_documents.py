"""Pool files as YAML documents: plain values, bounds, and arbitrary input."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime import document
from tests.unit.pool.file_support import PATH, faults


def test_anchors_and_merges_work() -> None:
    pool = file.parse(
        b"""
candidates:
  - &base {name: a, base_url: http://h, model: m, prices: &p {input: 1}}
  - {<<: *base, name: b}
  - {<<: [*base], name: c, prices: {<<: *p, output: 2}}
""",
        PATH,
    )
    assert [e.base_url for e in pool.entries.values()] == ["http://h"] * 3
    assert (pool.entries["c"].prices.input, pool.entries["c"].prices.output) == (10**9, 2 * 10**9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("1:" * 40_000 + "1", "1:" * 40_000 + "1"),
        ("190:20:30.15", "190:20:30.15"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("1.50", Decimal("1.50")),
        ("1e3", Decimal("1e3")),
        ("!!float 2", Decimal(2)),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("!!int '7'", 7),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_plain_value_means_what_the_core_schema_says(text: str, value: object) -> None:
    found = document.parse(f"a: {text}".encode()).value
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize(
    "data",
    [
        b"a: " + b"1:" * 500_000 + b"1",
        b"[a," + b"b: c," * 150_000 + b"]",
        b"\n".join(b"k%d: {a: 1, b: 2}" % number for number in range(30_000)),
        b"- &a b\n" + b"- *a\n" * 150_000,
        b'a: "' + b"\\x41" * 200_000 + b'"',
    ],
    ids=lambda data: str(data[:12]),
)
def test_a_large_document_is_read_or_refused_and_does_not_hold_anybody_up(data: bytes) -> None:
    # The test's own time limit is the assertion: read in a way that takes the square of a size, these take minutes.
    with suppress(document.DocumentError):
        assert document.parse(data).value


def bomb(pair: str) -> bytes:
    lines = ["a0: &a0 {}", *(f"a{i}: &a{i} {pair.format(','.join([f'*a{i - 1}'] * 10))}" for i in range(1, 30))]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "pool.yaml:1: the file must be a mapping with the key `candidates`"),
        (b"candidates: []", "pool.yaml:1: candidates: must hold 1 to 256 candidates"),
        (b"\n\xff", "pool.yaml:2: the file is not UTF-8"),
        (b"\n\x00", "pool.yaml:2: a character that YAML does not allow"),
        (b"a: 1\n---\nb: 1", "pool.yaml:2: not valid YAML: expected a single document, but found another document"),
        (b'\na: "\\uD800"', "pool.yaml:2: not valid YAML: found invalid Unicode character escape code"),
        (b"a:\n  - [", "pool.yaml:2: not valid YAML: did not find expected node content"),
        (b"1: 2", "pool.yaml:1: a key here is not text; put it in quotes"),
        (b"a: !!python/name:os.system x", "pool.yaml:1: a: the tag"),
        (b"a: !!binary x", "pool.yaml:1: a: the tag"),
        (b"a: " + b"9" * 5000, "pool.yaml:1: a: is no valid int"),
        (b"a: !!int x", "pool.yaml:1: a: is no valid int"),
        (b"<<: 3", "pool.yaml:1: only mappings can be merged with <<"),
        (b"a: &a [*a]", "pool.yaml:1: a[0][0]"),
        (b"a: &a {<<: *a}", "pool.yaml:1: a: merges itself"),
        (b"[" * 100_000, "pool.yaml:1: the file is nested too deeply"),
        (b"{a: " * 1000 + b"}" * 1000, "pool.yaml:1: the file is nested too deeply"),
        (b"\n- " * 1 + b"- " * 100_000, "pool.yaml:2: the file is nested too deeply"),
        (b"? " * 100_000, "pool.yaml:1: the file is nested too deeply"),
        (b"a: *b", "pool.yaml:1: an alias here has no anchor before it"),
        (b"a: &b 1\nb: &b 2", "pool.yaml:2: an anchor here has the name of another"),
        (b"a: 1." + b"9" * 500, "pool.yaml:1: a: is no valid float"),
        (b"a: 1e" + b"9" * 300, "pool.yaml:1: a: is no valid float"),
        (b"a: 0x" + b"f" * 5000, "pool.yaml:1: a: is no valid int"),
        (b"a: !!float x", "pool.yaml:1: a: is no valid float"),
        (b"a: !!bool maybe", "pool.yaml:1: a: is no valid bool"),
        (b"a: {b: 1, b: 2}", "pool.yaml:1: a.b: stands here twice"),
        (bomb("[{}]"), "pool.yaml:1: a5"),
        (bomb("{{<<: [{}]}}"), "pool.yaml:1: a5: more than 100,000 values"),
        (b"#" * (2**20 + 1), "pool.yaml: is larger than 1,048,576 bytes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_a_document_that_is_none_is_refused(data: bytes, fault: str) -> None:
    [found] = faults(data)
    assert found.startswith(fault)


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(PoolFileError, match=reason):
        file.load(tmp_path / name)


def loads_or_names_its_fault(data: bytes) -> None:
    found: PoolFileError | None = None
    pool = Pool({})
    try:
        pool = file.parse(data, PATH)
    except PoolFileError as error:
        found = error
    assert bool(pool.entries) is not bool(found)
    for candidate in pool.entries.values():
        candidate.to_proto("x").SerializeToString()
        candidate.sampling.to_proto().SerializeToString()
    for line in str(found).splitlines() if found else ():
        assert line.startswith("pool.yaml")
        assert len(line.encode()) < 2_000


@given(st.binary())
def test_any_bytes_load_or_name_their_fault(data: bytes) -> None:
    loads_or_names_its_fault(data)


@given(st.text())
def test_any_text_loads_or_names_its_fault(text: str) -> None:
    loads_or_names_its_fault(text.encode("utf-8", "surrogatepass"))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()


JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner), max_leaves=9)
SECTION = st.dictionaries(st.sampled_from(["input", "output", "stop", "seed", "retries", "failures", "x"]), JSON)
REQUIRED = {"name": st.just("a"), "base_url": st.just("http://h"), "model": st.just("m")}
OPTIONAL = dict.fromkeys(CandidateEntry.model_fields.keys() - REQUIRED.keys(), JSON | SECTION)
CANDIDATE = st.fixed_dictionaries(REQUIRED, optional=OPTIONAL)
DOCUMENT = st.fixed_dictionaries(
    {}, optional={"candidates": st.lists(CANDIDATE | JSON, max_size=3), "judge": SCALARS, "synthesizer": SCALARS}
)


@given(DOCUMENT | JSON)
def test_any_document_loads_or_names_its_fault(document: object) -> None:
    loads_or_names_its_fault(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


YAML_PIECES = st.sampled_from(
    ["&a ", "*a", "<<: ", "- ", "  ", "\n", "{", "}", "[", "]", ": ", ", ", "? ", "!!", "int ", "float ", "'", '"',
     "| ", "candidates", "prices", "name", "0x", "1", ".", "e", "_", ":30", "~", "true", "2024-02-30", "---", "%", "\\"]
)  # fmt: skip


@given(st.lists(YAML_PIECES).map("".join))
def test_any_tangle_of_yaml_loads_or_names_its_fault(text: str) -> None:
    loads_or_names_its_fault(text.encode())
