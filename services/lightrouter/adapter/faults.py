"""The failures of a provider, as the errors that callers get."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lightrouter.adapter.quirks import PREFILL, Quirks, Remedy
from lightrouter.runtime.errors import Code, ServiceError, Spent
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason

MALFORMED: Final = ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED
"""The reason of the errors that `malformed` returns."""

# Statuses that concern one request. All others from 400 to 499 concern the address, the model or the account.
_OF_A_REQUEST: Final = frozenset({400, 411, 413, 414, 422, 431, 451})
# After these the same request may pass a little later, or over another connection (421). Bedrock's 424 is a failure of
# the model, Groq's 498 a lack of capacity; 444, 460 and 499 say that a proxy before the provider gave up.
_PASSING: Final = frozenset({408, 409, 420, 421, 423, 424, 425, 444, 460, 498, 499})
# A choice: the most characters of a provider's own words that a caller gets.
_MAX_DETAIL = 200
# A choice: a shorter run of the prompt's characters may occur in any sentence.
_PROMPT_WINDOW = 24
_KEY_LIKE = re.compile(r"(?i)\b(?:bearer\s+|sk-|key-|pk-)[\w*.\-]{4,}")


class EntryError(Exception):
    """A pool entry cannot be used; the text is one sentence."""


class UpstreamError(ServiceError):
    """A failure of the provider.

    Attributes:
        retryable: Whether another attempt may help.
        works: What the failure shows of the provider: True that it works, False that it does not, None nothing.
        stale: Whether the only cause may be a kept connection that the provider had closed.
        remedies: Changes of the request after which the provider may accept it.

    An attempt that certainly cost nothing, because the provider was not reached or refused before the model ran, has
    spent nothing; of any other it is not known here.
    """

    remedies: tuple[Remedy, ...] = ()

    def __init__(
        self,
        code: Code,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        retryable: bool = False,
        works: bool | None = False,
        stale: bool = False,
        retry_after: float | None = None,
        free: bool = False,
    ) -> None:
        spent = Spent.nothing() if free else None
        super().__init__(code, reason, message, retry_after=retry_after, spent=spent)
        self.retryable = retryable
        self.works = works
        self.stale = stale


def unavailable(what: str, *, stale: bool = False, free: bool = False) -> UpstreamError:
    """Returns the error for a provider that cannot be reached, or hung up. `what` completes "the provider ..."."""
    return UpstreamError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE,
        f"the provider {what}",
        retryable=True,
        stale=stale,
        free=free,
    )


def rate_limited(retry_after: float | None, detail: str = "") -> UpstreamError:
    """Returns the error for HTTP 429; `retry_after` is the wait that the provider asks for, in seconds."""
    return UpstreamError(
        Code.RESOURCE_EXHAUSTED,
        ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED,
        _sentence("the provider's rate limit is reached (HTTP 429)", detail),
        retryable=True,
        retry_after=retry_after,
        free=True,
    )


def unpaid(status: int | None, detail: str) -> UpstreamError:
    """Returns the error for an account without quota or balance. No wait helps: no retry, no RetryInfo."""
    said = "" if status is None else f" (HTTP {status})"
    return UpstreamError(
        Code.RESOURCE_EXHAUSTED,
        ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED,
        _sentence(f"the quota or the balance of the account at the provider is used up{said}", detail),
        free=True,
    )


def unauthenticated(what: str) -> UpstreamError:
    """Returns the error for credentials that are missing, or that the provider refuses; `what` is the sentence."""
    return UpstreamError(Code.FAILED_PRECONDITION, ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, what, free=True)


def key_refused(status: int | None, detail: str) -> UpstreamError:
    """Returns the error for an API key that the provider refuses."""
    said = "" if status is None else f" (HTTP {status})"
    return unauthenticated(_sentence(f"the provider refused the candidate's API key{said}", detail))


def doubtful() -> UpstreamError:
    """Returns the error for a reply to a prefill that may be a new text. The text is written anew then."""
    error = UpstreamError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED,
        "the provider did not show that it goes on from the first part of the text",
        works=True,
    )
    error.remedies = (Remedy(PREFILL, Quirks(refuses_prefill=True), named=True, once=True),)
    return error


def rejected(status: int | None, detail: str, *, works: bool | None = None) -> UpstreamError:
    """Returns the error for a request that the provider refuses with an HTTP status from 400 to 499.

    A status of None stands for a request that cannot be sent. `works` is False if the provider refuses every request
    of the candidate, for example because it does not have the model.
    """
    said = "" if status is None else f" (HTTP {status})"
    return UpstreamError(
        Code.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_UPSTREAM_REJECTED,
        _sentence(f"the provider refused the request{said}", detail),
        works=works,
        free=True,
    )


def redirected(status: int, target: str) -> UpstreamError:
    """Returns the error for a redirect to another origin, to which the key is not sent; `target` may be empty."""
    where = f"redirects to {target}: if that is the provider, set it as base_url" if target else "redirects nowhere"
    return UpstreamError(
        Code.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_UPSTREAM_REJECTED,
        f"the provider's address {where} (HTTP {status})",
        free=True,
    )


def failed(status: int | None, detail: str, retry_after: float | None = None) -> UpstreamError:
    """Returns the error for an HTTP status from 500 on, or for an error inside a reply (status None)."""
    said = "" if status is None else f" (HTTP {status})"
    return UpstreamError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_UPSTREAM_ERROR,
        _sentence(f"the provider failed{said}", detail),
        retryable=True,
        retry_after=retry_after,
    )


def malformed(what: str) -> UpstreamError:
    """Returns the error for a reply that the API does not allow; `what` completes "the provider sent ..."."""
    return UpstreamError(Code.UNAVAILABLE, MALFORMED, f"the provider sent {what}")


def too_large(limit: int) -> UpstreamError:
    """Returns the error for a reply of more than `limit` bytes."""
    return UpstreamError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE,
        f"the provider sent more than the {limit} bytes that its entry allows",
    )


def timed_out(seconds: float, *, silent: bool, patient: bool) -> UpstreamError:
    """Returns the error for a call that took longer than its `seconds`.

    Args:
        seconds: The time that the call had.
        silent: Whether no byte had come.
        patient: Whether a working provider would have sent something in that time.
    """
    what = "sent nothing" if silent else "did not finish"
    return UpstreamError(
        Code.DEADLINE_EXCEEDED,
        ErrorReason.ERROR_REASON_UPSTREAM_TIMEOUT,
        f"the provider {what} within the {seconds:.3g} s that the call had",
        works=False if silent and patient else None,
    )


def empty_output(
    why: str = "", finish: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED
) -> UpstreamError:
    """Returns the error for a model that ended by `finish` without text and reasoning; `why` is the known cause."""
    error = UpstreamError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_EMPTY_OUTPUT,
        _sentence("the model ended without any text and without any reasoning", why),
        works=True,
    )
    error.finish_reason = finish
    return error


def not_recorded(sentence: str) -> UpstreamError:
    """Returns the error for a request that the candidate's recording does not have."""
    return UpstreamError(
        Code.FAILED_PRECONDITION, ErrorReason.ERROR_REASON_NOT_RECORDED, sentence, works=True, free=True
    )


def by_status(status: int, detail: str, retry_after: float | None) -> UpstreamError:
    """Returns the error for a reply whose HTTP `status` is not one of success."""
    if status in {401, 403}:
        return key_refused(status, detail)
    if status == 429:
        return rate_limited(retry_after, detail)
    if status >= 500:
        return failed(status, detail, retry_after)
    if status in _PASSING:
        return failed(status, detail, retry_after)
    return rejected(status, detail, works=None if status in _OF_A_REQUEST else False)


def scrubbed(detail: str, key: str, prompt: Iterable[str]) -> str:
    """Returns at most 200 characters of a provider's own words, without the API key and without text of the prompt.

    It searches the prompt, which takes some milliseconds a megabyte: call it in a thread.
    """
    text = " ".join(detail.encode("utf-8", "replace").decode().split())
    if key:
        text = text.replace(key, "***")
    text = _KEY_LIKE.sub("***", text)[: _MAX_DETAIL + _PROMPT_WINDOW]
    quoted = min((at for part in prompt for at in _shared(text, part)), default=None)
    if quoted is not None:
        text = text[:quoted].rstrip() + "…"
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def _shared(text: str, part: str) -> Iterator[int]:
    """Yields the first index in `text` of a window that `part` of the prompt has, too.

    Each window contains one whole block of half its size, so a search for the blocks finds where to look closer.
    """
    half = _PROMPT_WINDOW // 2
    blocks = [at for at in range(0, len(text) - half + 1, half) if text[at : at + half] in part]
    near = {at for block in blocks for at in range(max(block - half, 0), block + 1)}
    for at in sorted(near):
        window = text[at : at + _PROMPT_WINDOW]
        if len(window) == _PROMPT_WINDOW and window in part:
            yield at
            return


def _sentence(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
