"""Error bodies of providers, in all their shapes: words, status, wait and cause."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lightrouter.adapter import retry_after

# A choice: characters of a provider's error that are read or passed on.
_MOST_WORDS: Final = 4096
# A choice: a longer body is no error of an API, and parsing it takes long, so only its start is shown.
_MOST_BODY: Final = 64 * 1024
_MOST_ITEMS: Final = 8
_DEEPEST: Final = 6
_WORD_MEMBERS: Final = (
    "message",
    "msg",
    "error_msg",
    "error_message",
    "error_description",
    "status_msg",
    "detail",
    "details",
    "errors",
    "error",
    "title",
)
_STATUS_MEMBERS: Final = ("code", "status", "status_code", "statusCode", "http_code", "http_status", "error_code")
_KIND_MEMBERS: Final = ("code", "type", "status", "reason")
# The words of providers for HTTP statuses, among them the error types of OpenAI and Anthropic, and google.rpc.Code.
_STATUS_WORDS: Final = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "internal": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "server_error": 500,
    "bad_gateway": 502,
    "overloaded": 503,
    "server_overloaded": 503,
    "service_unavailable": 503,
    "unavailable": 503,
    "gateway_timeout": 504,
    "deadline_exceeded": 504,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# Words for an unpaid account, for which no wait helps. 1113 is Zhipu's.
_NO_MONEY: Final = (
    "insufficient_quota insufficient_balance insufficient_credits insufficient_funds insufficient_user_quota"
    " billing_hard_limit_reached billing_not_active exceeded_current_quota_error credit_balance_too_low arrearage"
    " spend_limit_reached credit_limit accountoverdueerror billing_error budget_exceeded payment_required 1113"
)
_UNPAID: Final = frozenset(_NO_MONEY.split())
# OpenRouter says of a prompt that was flagged that no credits were charged.
_UNPAID_WORDS: Final = re.compile(
    r"(?i)\binsufficient (?:account )?(?:balance|credits?|funds|quota)\b|\bcredit balance is too low|\bout of credits"
    r"|\bno (?:remaining )?credits\b(?! (?:w[ae]|have been))|\b(?:account|balance) (?:is )?(?:in )?(?:arrears|overdue)"
    r"|\boverdue (?:balance|payment)|\bkey limit exceeded\b"
    r"|\b(?:balance|credits?) (?:is|are) (?:insufficient|depleted|exhausted|used up)"
    r"|\b(?:spend(?:ing)?|billing(?: hard)?|credit|budget|specified api usage) (?:limits?|caps?)\b"
    r"|\b(?:any|all available|more|monthly included) credits\b|\bfree tier\b.{0,30}exhausted|\bpayment required"
    r"|\bbudget (?:has been |is )?exceeded|\b(?:quota|balance) is not enough|\btop up\b|\bprepaid credits\b"
    r"|\bmonthly quota\b|\btrial (?:has )?expired|\bbilling (?:is disabled|to be enabled)"
    r"|余额不足|欠费|额度(?:不足|失败|已用尽|已用完)"
)
_STATUS_OF_WORDS: Final = (
    (
        429,
        re.compile(
            r"(?i)\brate.?limit|\b(?:requests?|usage|qps|[rt]pm)\b.{0,20}\blimit|per minute|too many requests|限流"
        ),
    ),
    (401, re.compile(r"(?i)\b(?:access token|api.?key)\b.{0,30}(?:invalid|expired)|\binvalid api.?key|\blogin fail")),
)
# Gemini says so of limits that pass, too, and then names the wait.
_QUOTA_WORDS: Final = re.compile(r"(?i)\bexceeded your current quota\b")
_SUCCESS: Final = (200, "200", "0", "ok", "OK", "success", "Success")
_CUT: Final = re.compile(r"(?i)could not (?:finish|complete) the|output (?:token )?limit (?:was|has been|is) reached")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The error that a provider reports."""

    status: int | None = None
    """The HTTP status that it names, 400 to 599; None if it names none."""
    words: str = ""
    """The provider's own words, which may hold the key and the prompt: scrub them before callers see them."""
    wait: float | None = None
    """The seconds that it asks callers to wait; None if it does not say."""
    unpaid: bool = False
    """Whether the account has no quota or balance, so that no wait helps."""
    param: str = ""
    """The member of the request that it blames; empty if it blames none."""
    kinds: tuple[str, ...] = ()
    """Its own codes and types of the error, in lower case, words apart."""

    @property
    def cut(self) -> bool:
        """Whether the error says that the token limit was reached before any text."""
        return bool(_CUT.search(self.words))


def error_body(document: object) -> ErrorBody | None:
    """Returns the error in a document with an HTTP status of success; None if it reports none."""
    if isinstance(document, list):
        return next((found for item in document[:_MOST_ITEMS] if (found := error_body(item))), None)
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if error and not (isinstance(error, dict) and document.get("choices") and not any(error.values())):
        return _of(error, document)
    choices = document.get("choices")
    for choice in choices[:_MOST_ITEMS] if isinstance(choices, list) else []:
        if isinstance(choice, dict) and choice.get("error"):
            return _of(choice["error"], {})
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        # MiniMax puts number and words of an error here.
        return _of(base, {})
    return None if choices or not _is_error(document) else _of(document, {})


def read_error(body: str) -> ErrorBody:
    """Returns the error in the body of a failed reply, whatever its shape."""
    body = body.strip()
    if len(body) > _MOST_BODY:
        return _of(body[:_MOST_WORDS], {})
    in_an_event = re.match(r"(?:data|event|error|id|retry):[^{\[]*", body)
    try:
        document, _ = json.JSONDecoder().raw_decode(body, in_an_event.end() if in_an_event else 0)
    except (ValueError, RecursionError):
        # An HTML page tells a caller nothing.
        return ErrorBody() if body.startswith("<") else _of(body, {})
    return error_body(document) or _of(document, {})


def _is_error(document: Mapping[str, object]) -> bool:
    kinds = (document.get("object"), document.get("type"), document.get("status"))
    if "error" in kinds or False in (document.get("success"), document.get("ok")):
        return True
    if any(document.get(name) for name in ("errors", "detail", "error_code", "error_msg")):
        return True
    code = document.get("code")
    return bool(document.get("message") or document.get("msg")) and (
        _status(document) is not None or bool(code and code not in _SUCCESS)
    )


def _of(error: object, around: Mapping[str, object]) -> ErrorBody:
    """Returns the error of an error object; members that it lacks may be in the object `around` it."""
    words = (_words(error) or _words(around))[:_MOST_WORDS]
    objects = [each for each in _objects(error) if each] + ([around] if around else [])
    kinds = [kind for each in objects for kind in _kinds(each)]
    waits = [wait for each in objects if (wait := retry_after.wait_from_members(each)) is not None]
    wait = max(waits) if waits else retry_after.wait_from_words(words)
    passes = wait is not None or "resource_exhausted" in kinds
    return ErrorBody(
        status=next((status for each in objects if (status := _status(each)) is not None), None)
        or next((status for status, said in _STATUS_OF_WORDS if said.search(words)), None)
        or next((_STATUS_WORDS[kind] for kind in kinds if kind in _STATUS_WORDS), None),
        words=words,
        wait=wait,
        unpaid=any(kind in _UNPAID for kind in kinds)
        or bool(_UNPAID_WORDS.search(words) or (not passes and _QUOTA_WORDS.search(words))),
        param=next((param[:100] for each in objects if isinstance(param := each.get("param"), str)), ""),
        kinds=tuple(kind.replace("_", " ") for kind in kinds[:_MOST_ITEMS]),
    )


def _objects(error: object, depth: int = 0) -> Iterator[Mapping[str, object]]:
    """Yields an error object and the objects inside it that may tell more."""
    if depth > _DEEPEST:
        return
    if isinstance(error, str):
        yield from _objects(_inside(error), depth + 1)
    elif isinstance(error, dict):
        yield error
        for name in ("error", "errors", "message", "detail", "details", "metadata", "raw", "innererror"):
            yield from _objects(error.get(name), depth + 1)
    elif isinstance(error, list):
        for item in error[:_MOST_ITEMS]:
            yield from _objects(item, depth + 1)


def _inside(words: str) -> object:
    """Returns the JSON in a text, which a proxy passes on from its provider; None if there is none."""
    start = words.find("{", 0, _MOST_WORDS)
    try:
        return json.JSONDecoder().raw_decode(words, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None


def _status(error: Mapping[str, object]) -> int | None:
    for name in _STATUS_MEMBERS:
        value = error.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _kinds(error: Mapping[str, object]) -> Iterator[str]:
    for name in _KIND_MEMBERS:
        value = error.get(name)
        if isinstance(value, str | int):
            yield str(value)[:100].strip().lower().replace(" ", "_").replace("-", "_")


def _words(value: object, depth: int = 0) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, str):
        whole = value.startswith(("{", "[")) and len(value) <= _MOST_WORDS
        return (whole and _words(_inside(value), depth + 1)) or value[:_MOST_WORDS].strip()
    if isinstance(value, list):
        each = [_words(item, depth + 1) for item in value[:_MOST_ITEMS]]
        return "; ".join([words for words in each if words])
    if not isinstance(value, dict):
        return ""
    words = next((found for name in _WORD_MEMBERS if (found := _words(value.get(name), depth + 1))), "")
    where = value.get("loc")
    if words and isinstance(where, list):
        # FastAPI names the wrong field here.
        return f"{'.'.join(str(step)[:100] for step in where[:_MOST_ITEMS])}: {words}"
    metadata = value.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    # OpenRouter puts the words of its provider here.
    return f"{words}: {raw[:_MOST_WORDS]}" if words and isinstance(raw, str) and raw else words
