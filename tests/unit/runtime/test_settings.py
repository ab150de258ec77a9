"""Settings: flags over environment over file over defaults; what is wrong is named in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from lightrouter.runtime.settings import InvalidSettingError, ServiceSettings, load, read


class ExampleSettings(ServiceSettings):
    """Settings of a service that exists only here."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_EXAMPLE_")

    colour: str = "red"
    """A colour."""


def test_defaults() -> None:
    settings = read(ExampleSettings, [], {})
    assert settings.default_deadline_seconds == 120
    assert settings.listen == "127.0.0.1:0"


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("colour: file\nlisten: 'unix:/file'\ngrace_seconds: 3\n")
    monkeypatch.setenv("LIGHTROUTER_EXAMPLE_COLOUR", "environment")
    monkeypatch.setenv("LIGHTROUTER_EXAMPLE_LISTEN", "unix:/environment")
    settings = read(ExampleSettings, ["--config", str(file), "--listen", "unix:/flag"], {})
    assert (settings.listen, settings.colour, settings.grace_seconds) == ("unix:/flag", "environment", 3)


@pytest.mark.parametrize("word", ["1:30", "off", "0o17x", "2026-01-01", "1_000"])
def test_a_word_in_the_file_is_what_yaml_1_2_says(tmp_path: Path, word: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(f"\ufeffcolour: {word}\nsampling_ratio: 0.25\n".encode())
    settings = read(ExampleSettings, ["--config", str(file)], {})
    assert (settings.colour, settings.sampling_ratio) == (word, 0.25)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--colouur", "x"], "--colouur"),
        (["stray"], "stray"),
        (["--max-concurrent-calls", "0"], "max_concurrent_calls"),
        (["--max-concurrent-calls", "many"], "many"),
        (["--sampling-ratio", "1.5"], "sampling_ratio"),
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--listen", "host:70000"], "HOST:PORT"),
        (["--listen", "unix:50051"], "write unix:./50051"),
        (["--listen", "unix-abstract:50051"], "HOST:PORT"),
        (["--log-level", "loud"], "log_level"),
        (["--otlp-endpoint", "collector:4317"], "otlp_endpoint.*: must be a URL like http://localhost:4317, got"),
        (["--grace-second", "3"], "unrecognized arguments: --grace-second 3; did you mean --grace-seconds"),
        (["--config"], "--config"),
        (["--config", "/does/not/exist.yaml"], "/does/not/exist.yaml"),
    ],
)
def test_a_bad_flag_is_named(flags: list[str], named: str) -> None:
    with pytest.raises(InvalidSettingError, match=named) as caught:
        read(ExampleSettings, flags, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-cert-file", "c"], "--tls-cert-file and --tls-key-file go together"),
        (["--tls-key-file", "k"], "--tls-cert-file and --tls-key-file go together"),
        (["--tls-client-ca-file", "a"], "--tls-client-ca-file needs --tls-cert-file and --tls-key-file"),
        (["--tls-cert-file", "c", "--tls-key-file", "k", "--listen", "unix:/s"], "a unix socket has no TLS"),
    ],
)
def test_settings_that_do_not_go_together_are_named(flags: list[str], said: str) -> None:
    with pytest.raises(InvalidSettingError, match=said) as caught:
        read(ExampleSettings, flags, {})
    assert "\n" not in str(caught.value)


def test_an_unknown_environment_variable_is_named_with_the_one_meant() -> None:
    with pytest.raises(
        InvalidSettingError, match=r"LIGHTROUTER_EXAMPLE_COLOR is not a setting.*LIGHTROUTER_EXAMPLE_COLOUR"
    ):
        read(ExampleSettings, [], {"LIGHTROUTER_EXAMPLE_COLOR": "x"})


def test_an_environment_variable_like_none_gets_no_suggestion() -> None:
    with pytest.raises(InvalidSettingError, match=r"LIGHTROUTER_EXAMPLE_NOSUCH is not a setting$"):
        read(ExampleSettings, [], {"LIGHTROUTER_EXAMPLE_NOSUCH": "x"})


def test_the_environment_of_other_services_is_theirs() -> None:
    read(ExampleSettings, [], {"LIGHTROUTER_OTHER_COLOR": "x", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("color: x", "colour"),
        ("[", "YAML"),
        ("- a", "keys"),
        ("grace_seconds: soon", "grace_seconds"),
        ("\xff", "yaml:1: the file is not UTF-8"),
        ("colour: a\ncolour: b", "yaml:2: colour: stands here twice"),
        ("colour: !!python/object:os.system {}", "yaml:1: colour: the tag"),
        ("a: &a [*a]", "alias that holds itself"),
        ("1: x", "put it in quotes"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidSettingError, match=named) as caught:
        read(ExampleSettings, ["--config", str(file)], {})
    assert "\n" not in str(caught.value)


def test_load_stops_the_process_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(ExampleSettings, ["--grace-seconds", "-1"])
    assert stopped.value.code == 2
    written = capsys.readouterr().err
    assert "grace_seconds" in written
    assert written.count("\n") == 1


def test_help_says_what_each_setting_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(ExampleSettings, ["--help"])
    assert stopped.value.code == 0
    assert "A colour." in capsys.readouterr().out
