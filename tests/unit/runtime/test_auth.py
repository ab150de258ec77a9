"""Static tokens, JWTs, and who of the known callers may call."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path

import jwt
import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.security.auth import Authenticator, Identities, StaticTokens, TokensFileError
from lightrouter.runtime.security.jwks import JwtVerifier, Keys, KeysError, keys_from_file, keys_from_url
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.tokens import AUDIENCE, ISSUER, Issuer, KeyServer


def line(name: str, token: str) -> str:
    return f"{name}: {hashlib.sha256(token.encode()).hexdigest()}\n"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(
        "# who may call\n\n" + line("batch", "secret-1") + line("web", "secret-2").upper().replace("WEB", "web")
    )
    return path


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Keys that are what the test says; None is an issuer that is away."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.fetched = 0

    async def __call__(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if answer is None:
            raise KeysError("away")
        return answer


async def refusal(authenticator: Authenticator, *headers: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await authenticator.check(headers)
    return caught.value


async def test_a_static_token_names_its_caller(tokens: Path) -> None:
    authenticator = Authenticator([StaticTokens(tokens)])
    assert await authenticator.check(["Bearer secret-1"]) == "batch"
    assert await authenticator.check(["bearer  secret-2 "]) == "web"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["secret-1"],
        ["Basic secret-1"],
        ["Bearer secret-3"],
        ["Bearer secret-1", "Bearer secret-1"],
        ["Bearer " + "x" * 20_000],
        ["Bearer " + hashlib.sha256(b"secret-1").hexdigest()],
        ["Bearer a.b.c"],
    ],
)
async def test_a_caller_without_a_valid_credential_is_refused(tokens: Path, headers: list[str]) -> None:
    keys = Keys(Source(Issuer().jwks()))
    error = await refusal(Authenticator([StaticTokens(tokens), JwtVerifier(keys, ISSUER, AUDIENCE)]), *headers)
    assert (error.code, error.reason) == (Code.UNAUTHENTICATED, ErrorReason.ERROR_REASON_UNAUTHENTICATED)
    assert "secret" not in error.message


async def test_changed_tokens_hold_at_once_and_broken_ones_are_refused(
    tokens: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authenticator = Authenticator([StaticTokens(tokens)])
    tokens.write_text(line("web", "secret-2"))
    await refusal(authenticator, "Bearer secret-1")
    tokens.write_text(line("web", "secret-2") + "batch: secret-1-in-the-clear\n")
    for _ in range(2):
        assert await authenticator.check(["Bearer secret-2"]) == "web"
    assert caplog.text.count(f"{tokens}:2: must be") == 1
    assert "secret-1" not in caplog.text


async def test_a_file_that_is_removed_revokes_its_tokens_until_it_is_back(
    tokens: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authenticator = Authenticator([StaticTokens(tokens)])
    assert await authenticator.check(["Bearer secret-1"]) == "batch"
    text = tokens.read_text()
    tokens.unlink()
    for _ in range(2):
        await refusal(authenticator, "Bearer secret-1")
    assert caplog.text.count("all tokens are revoked") == 1
    tokens.write_text("secret-1-in-the-clear\n")
    await refusal(authenticator, "Bearer secret-1")
    tokens.write_text(text)
    assert await authenticator.check(["Bearer secret-1"]) == "batch"


async def test_a_folder_in_place_of_the_file_revokes_its_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"me: {hashlib.sha256(b'good').hexdigest()}\n")
    known = StaticTokens(file)
    assert await known.caller("good") == "me"
    file.unlink()
    file.mkdir()
    assert await known.caller("good") is None
    with pytest.raises(TokensFileError, match="is a directory"):
        StaticTokens(file)


async def test_the_folder_of_the_tokens_that_is_removed_revokes_them(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "tokens").write_text(line("web", "secret-2"))
    authenticator = Authenticator([StaticTokens(folder / "tokens")])
    (folder / "tokens").unlink()
    folder.rmdir()
    await refusal(authenticator, "Bearer secret-2")
    folder.write_text("a file now")
    await refusal(authenticator, "Bearer secret-2")


@pytest.mark.parametrize(
    ("allowed", "shown", "served"),
    [
        (["router.example"], {"peer_dns": [b"router.example"]}, True),
        (["router.example"], {"peer_dns": [b"other.example", b"router.example"]}, True),
        (["router.example"], {"peer_dns": [b"router.example.org"]}, False),
        (["router.*.svc"], {"peer_dns": [b"router.prod.svc"]}, True),
        (["router[1]"], {"peer_dns": [b"router1"]}, False),
        (["spiffe://house/ns/prod/sa/*"], {"peer_uri": [b"spiffe://house/ns/prod/sa/router"]}, True),
        (["spiffe://house/*"], {"peer_spiffe_id": [b"spiffe://other/router"]}, False),
        (["router.example"], {"x509_common_name": [b"router.example"]}, False),
        (["*"], {"peer_email": [b"a@router.example"]}, False),
        (["*"], {"peer_dns": [b"\xff"]}, True),
        (["router.example"], {}, False),
    ],
)
def test_a_certificate_is_served_by_its_names(allowed: list[str], shown: dict[str, list[bytes]], served: bool) -> None:
    identities = Identities(allowed)
    if served:
        name = identities.check(shown)
        assert name in {each.decode("utf-8", "replace") for names in shown.values() for each in names}
        return
    with pytest.raises(ServiceError) as caught:
        identities.check(shown)
    assert caught.value.code == Code.PERMISSION_DENIED


@pytest.mark.parametrize("text", ["batch secret", "batch: 12", ": " + "0" * 64, "a b: " + "0" * 64, "x" * 2**21])
def test_tokens_that_are_broken_from_the_start_are_refused(tokens: Path, text: str) -> None:
    tokens.write_text(text)
    with pytest.raises(TokensFileError, match=str(tokens)):
        StaticTokens(tokens)


@pytest.mark.parametrize("colon", [":", ": ", " : ", ":\t"])
@pytest.mark.parametrize("name", ["batch", "system:serviceaccount:jobs:batch"])
async def test_spaces_beside_the_colon_are_as_the_writer_likes(tmp_path: Path, name: str, colon: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{name}{colon}{hashlib.sha256(b'good').hexdigest()}\n")
    assert await StaticTokens(file).caller("good") == name


def test_tokens_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TokensFileError, match="No such file"):
        StaticTokens(tmp_path / "none")


async def test_a_known_caller_may_be_one_that_may_not_call(tokens: Path) -> None:
    authenticator = Authenticator([StaticTokens(tokens)], ["w*"])
    assert await authenticator.check(["Bearer secret-2"]) == "web"
    error = await refusal(authenticator, "Bearer secret-1")
    assert (error.code, error.reason) == (Code.PERMISSION_DENIED, ErrorReason.ERROR_REASON_PERMISSION_DENIED)
    assert "batch" in error.message


def of(issuer: Issuer) -> Authenticator:
    return Authenticator([JwtVerifier(Keys(Source(issuer.jwks())), ISSUER, AUDIENCE)])


@pytest.mark.parametrize(
    ("pattern", "caller", "may"),
    [
        ("team-*", "team-a", True),
        ("*", "anybody", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("ci[bot]", "ci[bot]", True),
        ("ci[bot]", "cib", False),
        ("team-?", "team-a", False),
    ],
)
async def test_only_a_star_stands_for_any_text(pattern: str, caller: str, may: bool) -> None:
    class Everybody:
        async def caller(self, token: str) -> str | None:
            return token

    permitted = Authenticator([Everybody()], [pattern])
    if may:
        assert await permitted.check([f"Bearer {caller}"]) == caller
    else:
        with pytest.raises(ServiceError) as caught:
            await permitted.check([f"Bearer {caller}"])
        assert caught.value.code is Code.PERMISSION_DENIED


async def test_a_jwt_names_its_subject() -> None:
    issuer = Issuer()
    subject = "system:serviceaccount:team:web"
    for audience in (AUDIENCE, ["other", AUDIENCE]):
        assert await of(issuer).check([f"Bearer {issuer.token(sub=subject, aud=audience)}"]) == subject


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": int(time.time()) - 60}, "has expired"),
        ({"exp": None}, "no claim exp"),
        ({"sub": None}, "no claim sub"),
        ({"nbf": int(time.time()) + 86_400}, "not valid yet"),
        ({"aud": "other"}, "not for the audience lightrouter"),
        ({"aud": None}, "no claim aud"),
        ({"iss": "https://other.example"}, "not of the issuer"),
    ],
)
async def test_a_jwt_that_is_not_good_is_refused_with_the_reason(claims: dict[str, object], said: str) -> None:
    issuer = Issuer()
    token = issuer.token(**claims)
    error = await refusal(of(issuer), f"Bearer {token}")
    assert error.code == Code.UNAUTHENTICATED
    assert said in error.message
    assert token not in error.message


async def test_a_jwt_of_another_key_is_refused() -> None:
    error = await refusal(of(Issuer()), f"Bearer {Issuer().token()}")
    assert "signature" in error.message


async def test_a_jwt_without_a_real_signature_is_refused() -> None:
    issuer = Issuer()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": int(time.time()) + 60}
    jwks = json.loads(issuer.jwks())["keys"][0]
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": issuer.key_id})
    confused = jwt.encode(claims, (jwks["x"] + jwks["y"]).encode(), algorithm="HS256", headers={"kid": issuer.key_id})
    whole = issuer.token().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "root"}).encode()).decode().rstrip("=")
    for token in (unsigned, confused, f"{whole[0]}.{body}.{whole[2]}", f"{whole[0]}.{whole[1]}."):
        assert (await refusal(of(issuer), f"Bearer {token}")).code == Code.UNAUTHENTICATED


async def test_a_new_key_is_fetched_when_a_token_names_it_but_not_for_each_stranger() -> None:
    issuer, clock = Issuer(), Clock()
    old = issuer.token()
    first = issuer.jwks()
    issuer.rotate()
    source = Source(first, issuer.jwks())
    authenticator = Authenticator([JwtVerifier(Keys(source, clock=clock), ISSUER, AUDIENCE)])
    assert await authenticator.check([f"Bearer {old}"]) == "somebody"
    await refusal(authenticator, f"Bearer {issuer.token()}")
    assert source.fetched == 1
    clock.now += 11
    assert await authenticator.check([f"Bearer {issuer.token()}"]) == "somebody"
    assert source.fetched == 2
    assert "does not have" in (await refusal(authenticator, f"Bearer {old}")).message


async def test_keys_are_fetched_once_for_all_who_wait_and_again_when_they_are_old() -> None:
    issuer, clock = Issuer(), Clock()
    source = Source(issuer.jwks())
    keys = Keys(source, clock=clock)
    found = await asyncio.gather(*(keys.get(issuer.key_id) for _ in range(10)))
    assert None not in found
    assert source.fetched == 1
    clock.now += 301
    assert await keys.get(issuer.key_id)
    await keys.get("other")
    assert source.fetched == 2


async def test_an_issuer_that_is_away_refuses_only_callers_that_cannot_be_checked() -> None:
    issuer, clock = Issuer(), Clock()
    source = Source(None, issuer.jwks(), None)
    authenticator = Authenticator([JwtVerifier(Keys(source, clock=clock), ISSUER, AUDIENCE)])
    header = f"Bearer {issuer.token()}"
    for _ in range(3):
        error = await refusal(authenticator, header)
        assert (error.code, error.retry_after) == (Code.UNAVAILABLE, 1.0)
    assert source.fetched == 1
    clock.now += 2
    assert await authenticator.check([header]) == "somebody"
    clock.now += 301
    for _ in range(3):
        assert await authenticator.check([header]) == "somebody"
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AA"}]}', b"x" * 2**21]
)
async def test_keys_that_are_none_are_refused(data: bytes) -> None:
    keys = Keys(Source(data))
    with suppress(KeysError):
        assert await keys.get("any") is None


async def test_keys_come_from_a_file_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "jwks"
    fetch = keys_from_file(file)
    with pytest.raises(KeysError, match="No such file"):
        await fetch()
    file.write_bytes(b"{}")
    assert await fetch() == b"{}"


async def test_keys_come_from_a_server_that_may_ask_for_a_token(tmp_path: Path) -> None:
    issuer = Issuer()
    file = tmp_path / "token"
    file.write_text("of-the-pod\n")
    async with KeyServer(issuer) as server:
        assert await keys_from_url(server.url, token=file)() == issuer.jwks()
        assert await keys_from_url(server.url)() == issuer.jwks()
        assert server.asked == ["Bearer of-the-pod", ""]
        for server.status in (302, 401, 500):
            with pytest.raises(KeysError, match=str(server.status)):
                await keys_from_url(server.url)()
    with pytest.raises(KeysError, match="cannot be read"):
        await keys_from_url(server.url)()
    with pytest.raises(KeysError, match="FileNotFoundError"):
        await keys_from_url(server.url, token=tmp_path / "none")()
