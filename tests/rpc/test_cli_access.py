"""`lightrouter ask` and `pool list` as processes, before a router that asks for tokens and certificates."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.authority import Authority
from tests.rpc.router_suite import RouterSuite

TOKEN = "a-secret-of-32-characters-or-more"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"web: {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    return path


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


async def command(*arguments: object) -> tuple[int, str, str]:
    """Runs `lightrouter ARGUMENT...`; returns its exit code and what it said."""
    words = ["-m", "lightrouter.cli", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def test_a_token_is_shown(tokens: Path, token: Path, tmp_path: Path) -> None:
    async with RouterSuite(tokens_file=tokens) as suite:
        address = ("--address", suite.address)
        code, said, _ = await command("pool", "list", *address, "--token-file", token)
        assert (code, "serving" in said.lower()) == (0, True)
        code, said, complained = await command("ask", "Hello?", *address, "--token-file", token)
        assert (code, bool(said.strip())) == (0, True), complained
        code, _, complained = await command("ask", "Hello?", *address)
        assert code == 1
        assert "--token-file" in complained
        assert TOKEN not in complained
        wrong = tmp_path / "wrong"
        wrong.write_text("another")
        code, _, complained = await command("ask", "Hello?", *address, "--token-file", wrong)
        assert code == 1
        assert "not known" in complained
    for content in ("", "two words"):
        wrong.write_text(content)
        code, _, complained = await command("ask", "Hello?", "--token-file", wrong)
        assert code == 2
        assert "one token" in complained
    code, _, complained = await command("ask", "Hello?", "--token-file", tmp_path / "nowhere")
    assert code == 2
    assert "cannot be read" in complained


async def test_certificates_are_shown_and_checked(tmp_path: Path, tokens: Path, token: Path) -> None:
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    certificate, key = authority.issue("router", "router.example.com")
    own, own_key = authority.issue("caller")
    other, other_key = stranger.issue("stranger")
    settings: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "tls_cert_file": certificate,
        "tls_key_file": key,
        "tls_client_ca_file": authority.file,
        "tokens_file": tokens,
    }
    async with RouterSuite(**settings) as suite:
        ask = ("ask", "Hello?", "--timeout", 20, "--address", suite.address, "--token-file", token)
        named = ("--tls-server-name", "router.example.com")
        mine = ("--tls-cert-file", own, "--tls-key-file", own_key)
        code, said, complained = await command(*ask, *named, *mine, "--tls-ca-file", authority.file)
        assert (code, bool(said.strip())) == (0, True), complained
        for arguments in (
            (*named, *mine, "--tls-ca-file", stranger.file),
            (*named, "--tls-cert-file", other, "--tls-key-file", other_key, "--tls-ca-file", authority.file),
            (*named, "--tls-ca-file", authority.file),
            (*mine, "--tls-ca-file", authority.file),
        ):
            code, _, complained = await command(*ask, *arguments)
            assert code == 1
            assert "over TLS" in complained
            assert "--tls-ca-file" in complained


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tls-cert-file", "c.pem"), "go together"),
        (("--tls-cert-file", "c.pem", "--tls-key-file", "k.pem"), "--tls-ca-file"),
        (("--tls-ca-file", "nowhere.pem"), "nowhere.pem"),
    ],
)
async def test_flags_that_do_not_go_together_are_refused(arguments: tuple[str, ...], said: str) -> None:
    code, _, complained = await command("pool", "list", *arguments)
    assert code == 2
    assert said in complained
