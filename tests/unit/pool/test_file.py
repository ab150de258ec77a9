from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.providers import PROVIDERS as SPOKEN
from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import PROVIDERS, CandidateEntry
from lightrouter.v1.candidate_pb2 import Candidate, CandidateState, Continuation, Prices
from tests.unit.pool.file_support import MINIMAL, PATH, faults


def entry(text: str) -> CandidateEntry:
    head = "candidates:\n  - name: fast\n    base_url: http://localhost:1/v1\n    model: m\n"
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return file.parse((head + body).encode(), PATH).entries["fast"]


def entry_faults(text: str) -> list[str]:
    with pytest.raises(PoolFileError) as caught:
        entry(text)
    return str(caught.value).splitlines()


def test_a_minimal_pool_has_the_documented_defaults() -> None:
    pool = file.parse(MINIMAL, PATH)
    assert (pool.judge, pool.synthesizer) == (None, None)
    assert pool.entries["fast"].to_proto("unix:/run/fast.sock") == Candidate(
        name="fast",
        provider="openai",
        model="m",
        address="unix:/run/fast.sock",
        prices=Prices(),
        continuation=Continuation.CONTINUATION_TRAILING,
        prior=0.5,
        state=CandidateState.CANDIDATE_STATE_ADMITTED,
    )


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(
        """
candidates:
  - name: fast
    provider: openai
    base_url: https://api.example.com/v1/
    model: some/model
    api_key_file: secret/key
    continuation: raw
    chat_template: chatml
    system_prompt: Be brief.
    sampling: {temperature: 0.7, top_p: 0.9, stop: ["\\n\\n"], seed: 7, max_output_tokens: 300}
    prices: {input: "0.15", cached_input: 0.075, output: 2}
    context_window: 8192
    max_boot_tokens: 500
    prior: 0.75
    state: probation
    limits: {concurrency: 4, connect_timeout_s: 1, request_timeout_s: 9.5, max_response_bytes: 4096, retries: 0}
    circuit: {failures: 2, cooldown_s: 0.5}
    address: dns:///fast:50051
    extra_body: {cache_prompt: true, ratio: 1.5, nested: [{a: 1}]}
  - {name: slow, base_url: "http://h", model: m, api_key_env: KEY}
judge: slow
synthesizer: fast
"""
    )
    pool = file.load(path)
    fast = pool.entries["fast"]
    assert list(pool.entries) == ["fast", "slow"]
    assert (pool.judge, pool.synthesizer) == ("slow", "fast")
    assert fast.base_url == "https://api.example.com/v1"
    assert fast.api_key_file == tmp_path / "secret/key"
    assert pool.entries["slow"].api_key_env == "KEY"
    assert fast.extra_body == {"cache_prompt": True, "ratio": 1.5, "nested": [{"a": 1}]}
    assert (fast.limits.concurrency, fast.limits.request_timeout_s, fast.limits.retries) == (4, 9.5, 0)
    assert (fast.circuit.failures, fast.circuit.cooldown_s) == (2, 0.5)
    assert fast.target("unix:/run/{name}.sock") == "dns:///fast:50051"
    assert pool.entries["slow"].target("unix:/run/{name}.sock") == "unix:/run/slow.sock"
    proto = fast.to_proto("x")
    assert proto.prices.input_nanousd_per_million == 150_000_000
    assert proto.prices.cached_input_nanousd_per_million == 75_000_000
    assert proto.prices.output_nanousd_per_million == 2_000_000_000
    assert proto.continuation == Continuation.CONTINUATION_RAW
    assert proto.state == CandidateState.CANDIDATE_STATE_PROBATION
    # "Be brief." has three tokens.
    assert proto.fixed_input_tokens == 3
    sampling = fast.sampling.to_proto()
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0.7, 0.9, 7)
    assert (list(sampling.stop), sampling.max_output_tokens) == (["\n\n"], 300)


@pytest.mark.parametrize(
    ("members", "tokens"),
    [("", 0), (", system_prompt: Be brief.", 3), (", system_prompt: Be brief., fixed_input_tokens: 40", 40)],
)
def test_the_tokens_of_its_own_instructions_are_stated_or_counted(members: str, tokens: int) -> None:
    entry = file.parse(MINIMAL.replace(b"model: m", f"model: m{members}".encode()), PATH).entries["fast"]
    assert entry.to_proto("x").fixed_input_tokens == tokens


def test_sampling_that_is_left_out_is_not_set() -> None:
    sampling = entry("sampling: {temperature: 0}").sampling.to_proto()
    assert sampling.HasField("temperature")
    assert not sampling.HasField("seed")


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ('"0.15"', 150_000_000),
        ("0.15", 150_000_000),
        (".15", 150_000_000),
        ("0.001000001", 1_000_001),
        ("0.001", 1_000_000),
        ("1.5e-1", 150_000_000),
        ("0.0", 0),
        ("999999.999999999", 999_999_999_999_999),
        ("3", 3_000_000_000),
        ("0", 0),
        ("1e0", 1_000_000_000),
        ("+3", 3_000_000_000),
        ("3.", 3_000_000_000),
        ("0x10", 16_000_000_000),
        ("010", 10_000_000_000),
        ("-0", 0),
    ],
)
def test_prices_are_exact(text: str, nanousd: int) -> None:
    assert entry(f"prices: {{output: {text}}}").prices.output == nanousd


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        '"-0.1"',
        "0.0100000001",
        "1000000",
        "-.inf",
        "-0.0000025",
        '"nan"',
        '"inf"',
        '"Infinity"',
        '"$3"',
        ".nan",
        ".inf",
        "true",
        "free",
        "1.0e+99999999",
        "[1]",
        "''",
        "null",
        "-0.0",
        "'-0'",
        "'+3'",
        "'3.'",
        "' 3 '",
        "'1e0'",
        "'0,15'",
        "'1,500'",
        "1_000",
        "1:30",
        "'\uff13'",
        "\u20ac3",
        "3 USD",
        "3/M",
        "0.0015 per 1K",
        "{usd: 3}",
        "1e-400",
    ],
)
def test_prices_that_are_no_money_are_refused(text: str) -> None:
    [fault] = entry_faults(f"prices:\n  output: {text}")
    assert fault.startswith("pool.yaml:6: candidates[0].prices.output: must be US dollars per million tokens")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.0000025", "2.5"),
        ('"0.0000025"', "2.5"),
        ("2.5e-06", "2.5"),
        ("2.5E-06", "2.5"),
        ('"2.5e-06"', "2.5"),
        ("2.75e-08", "0.0275"),
        ("0.0006", "600"),
        (".0000001", "0.1"),
        ("0.000999999", "999.999"),
    ],
)
@pytest.mark.parametrize("key", ["input", "cached_input", "output"])
def test_the_price_of_one_token_is_refused_with_what_to_write(key: str, text: str, meant: str) -> None:
    [fault] = entry_faults(f"prices:\n  {key}: {text}")
    assert fault.startswith(f"pool.yaml:6: candidates[0].prices.{key}: ")
    assert "too little for US dollars per million tokens; if it is the price of one token" in fault
    assert fault.endswith(f'write "{meant}"')


@pytest.mark.parametrize(
    ("key", "close"), [("Input", "input"), ("OUTPUT", "output"), ("input_cost_per_token", "input"), ("cachedInput", "")]
)
def test_a_price_by_another_name_is_refused(key: str, close: str) -> None:
    [fault] = entry_faults(f"prices:\n  {key}: 1")
    assert "is not a known key" in fault
    assert close in fault


@given(st.just(0) | st.decimals(min_value="0.001", max_value=999_999, places=9))
def test_any_price_survives_as_text_and_as_number(price: object) -> None:
    text = f"{price:f}"
    assert entry(f"prices: {{input: {text}, output: '{text}'}}").prices.input == int(text.replace(".", ""))
    assert entry(f"prices: {{input: '{text}'}}").prices.input == int(text.replace(".", ""))


def test_cached_input_costs_as_much_as_input_where_it_is_left_out() -> None:
    assert entry("prices: {input: 2}").to_proto("x").prices.cached_input_nanousd_per_million == 2_000_000_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("temperatur: 1", "temperatur: is not a known key"),
        ("api_key: sk-1", "api_key: is not a known key; did you mean api_key_env?"),
        ("sampling: {temperatur: 1}", "sampling.temperatur: is not a known key; did you mean temperature?"),
        ("limits: {retry: 1}", "limits.retry: is not a known key; did you mean retries?"),
        (
            "prices: {tiers: [{above: 9, inputs: 2}]}",
            "prices.tiers[0].inputs: is not a known key; did you mean input?",
        ),
        (
            "prices: {tiers: [{above: 9, abov: 8, input: 2}]}",
            "prices.tiers[0].abov: is not a known key; did you mean above?",
        ),
        ("limits: 3", "limits: must be a mapping of keys to values"),
        ("sampling: {stop: x}", "sampling.stop: must be a list"),
        ("sampling: {seed: 1.5}", "sampling.seed: must be a valid integer"),
        ("sampling: {top_p: 0}", "sampling.top_p: must be greater than 0"),
        ("prior: 1.5", "prior: must be less than or equal to 1"),
        ("prior: .nan", "prior: must be a finite number"),
        ("state: gone", "state: must be 'admitted', 'probation' or 'evicted'"),
        ("provider: magic", "provider: is not a known provider; the known ones are: anthropic, gemini, openai"),
        ("api_key_env: sk-abc", "api_key_env: must be the name of an environment variable like"),
        ("extra_body: {model: x}", "extra_body: must not set model, which the adapter sets itself"),
        ("extra_body: {x: .inf}", "extra_body: contains a number that JSON does not allow"),
        ("address: a b", "address: must be a gRPC target like"),
        ("prior: 1\nprior: 1", "prior: stands here twice"),
    ],
)
def test_a_fault_names_file_line_and_field(text: str, fault: str) -> None:
    line = 4 + len(text.splitlines())
    [found] = entry_faults(text)
    assert found.startswith(f"pool.yaml:{line}: candidates[0].{fault}")


@pytest.mark.parametrize(
    "url",
    ["localhost:1/v1", "ftp://h/v1", "http://", "http://h:99999", "http://h/v1?key=1", "http://[::1", "http://h h"],
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    [fault] = faults(f"candidates:\n- name: a\n  model: m\n  base_url: '{url}'")
    assert fault.startswith("pool.yaml:4: candidates[0].base_url: must ")


def test_a_recording_stands_in_place_of_a_base_url(tmp_path: Path) -> None:
    text = "candidates:\n- {name: a, provider: replay, model: m, recording: data.jsonl, pace: true}"
    found = file.parse(text.encode(), tmp_path / "pool.yaml").entries["a"]
    assert (found.base_url, found.recording, found.pace) == ("", tmp_path / "data.jsonl", True)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ("provider: replay", "recording: is required for provider replay: name the file with its answers"),
        (
            "provider: replay, recording: d, base_url: http://h",
            "base_url: is not for provider replay, which answers from a recording; leave it out",
        ),
        ("base_url: http://h, recording: d", "recording: is only for provider replay; leave it out"),
        ("base_url: http://h, pace: true", "pace: is only for provider replay; leave it out"),
        ("provider: openai", "base_url: is required"),
    ],
)
def test_a_recording_and_a_base_url_are_never_both_there_or_both_missing(members: str, fault: str) -> None:
    assert faults(f"candidates:\n- {{name: a, model: m, {members}}}") == [f"pool.yaml:2: candidates[0].{fault}"]


def test_faults_never_show_a_secret() -> None:
    text = """
candidates:
  - name: a
    model: m
    base_url: https://user:hunter2@h/v1
    api_key: hunter2
    api_key_env: "hunter2!"
"""
    found = faults(text)
    assert len(found) == 3
    assert "hunter2" not in "".join(found)


def test_every_fault_is_reported_at_once_by_line() -> None:
    found = faults("candidates:\n- name: Bad\n  model: ''\njudgee: x\n")
    assert [fault.split(": ")[:2] for fault in found] == [
        ["pool.yaml:2", "candidates[0].name"],
        ["pool.yaml:2", "candidates[0].base_url"],
        ["pool.yaml:3", "candidates[0].model"],
        ["pool.yaml:4", "judgee"],
    ]


def test_names_must_be_unique_and_known() -> None:
    assert faults(MINIMAL + b"  - {name: fast, base_url: http://h, model: m}\njudge: fsat\n") == [
        "pool.yaml:3: candidates[1].name: is taken: another candidate is named fast already",
        "pool.yaml:4: judge: must be the name of a candidate of this file; did you mean fast?",
    ]


def test_two_keys_for_one_candidate_are_refused() -> None:
    assert entry_faults("api_key_env: A\napi_key_file: b") == [
        "pool.yaml:2: candidates[0]: has both api_key_env and api_key_file; keep one"
    ]


def test_raw_continuation_needs_a_chat_template() -> None:
    assert entry_faults("continuation: raw") == [
        "pool.yaml:2: candidates[0]: has continuation raw, which needs a chat_template"
    ]


def test_adapters_speak_every_known_provider() -> None:
    assert SPOKEN.keys() == PROVIDERS


@pytest.mark.parametrize(
    ("members", "above"),
    [
        # Fresh, cached, output; what a tier leaves out costs as much as in shorter prompts.
        ("input: 2, output: 3", (2, 2, 3)),
        ("input: 2", (2, 2, 4)),
        ("output: 3", (1, 0.5, 3)),
        ("cached_input: 0.25", (1, 0.25, 4)),
        ("input: 2, cached_input: 0", (2, 0, 4)),
        ("", (1, 0.5, 4)),
    ],
)
def test_a_tier_is_completed_by_the_prices_of_shorter_prompts(members: str, above: tuple[float, float, float]) -> None:
    tiers = f"[{{above: 2000, output: 9}}, {{above: 1000, {members}}}]"
    first, last = (
        entry(f"prices: {{input: 1, cached_input: 0.5, output: 4, tiers: {tiers}}}").to_proto("x").prices.tiers
    )
    got = (
        first.input_nanousd_per_million,
        first.cached_input_nanousd_per_million,
        first.output_nanousd_per_million,
    )
    assert got == tuple(int(price * 10**9) for price in above)
    assert last.input_nanousd_per_million == first.input_nanousd_per_million
    assert last.output_nanousd_per_million == 9 * 10**9


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ("[{above: 9, input: 2}, {above: 9, input: 3}]", "tiers[1].above: is the limit of another tier already"),
        ("[{above: 0, input: 2}]", "tiers[0].above: must be greater than or equal to 1"),
        ("[{above: -5, input: 2}]", "tiers[0].above: must be greater than or equal to 1"),
        ("[{above: 200k, input: 2}]", "tiers[0].above: must be a valid integer"),
        ("[{above: 2e5, input: 2}]", "tiers[0].above: must be a valid integer"),
        ("[{above: .inf, input: 2}]", "tiers[0].above: must be a valid integer"),
        ("[{input: 2}]", "tiers[0].above: is required"),
        ("[{above: 9, input: -2}]", "tiers[0].input: must be US dollars"),
        ("[{above: 9, output: 0.0000025}]", "tiers[0].output: 0.0000025 is too little"),
        ("{above: 9, input: 2}", "tiers: must be a list"),
    ],
)
def test_tiers_that_cannot_be_meant_are_refused(tiers: str, said: str) -> None:
    [fault] = entry_faults(f"prices:\n  tiers: {tiers}")
    assert fault.startswith(f"pool.yaml:6: candidates[0].prices.{said}")
