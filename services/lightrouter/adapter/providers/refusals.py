"""Refusals: what a provider refuses in a request, as far as its words tell, and the remedies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lightrouter.adapter.providers.error_body import ErrorBody
from lightrouter.adapter.providers.turns import alternating
from lightrouter.adapter.quirks import BOTH, ONE_PIECE, PREFILL, SYSTEM, WITHOUT, Quirks, Remedy, one_value

OPTIONAL: Final = (
    "stream_options",
    "seed",
    "temperature",
    "top_p",
    "stop",
    "reasoning_effort",
    "parallel_tool_calls",
    "response_format",
    "tool_choice",
)
"""The members that a request can leave out, the most often refused first."""
TURNS: Final = "turns"
"""The feature of a request whose turns do not strictly alternate."""
_VALUED: Final = frozenset({"seed", "temperature", "top_p", "stream_options"})
MAX_TOKENS: Final = ("max_tokens", "max_completion_tokens")
"""The two names of the token limit."""

# A refusal with another status concerns the candidate, its key or its provider, unless its words name roles.
_OF_THE_REQUEST: Final = frozenset({400, 404, 422})
# 446 is Portkey's, for its guardrails.
_OF_ONE_REQUEST: Final = frozenset({413, 446})
_TEMPLATE_FAILED: Final = frozenset({500, 501})
_UNKNOWN_CAUSE: Final = frozenset({400, 422})
# The least limits of OpenAI's Responses API and, with thinking, of Anthropic's API, for errors without a number.
_USUAL_LEAST: Final = (16, 1025)
_LARGEST_LEAST: Final = 32_768
# A choice: the characters of a refusal that are searched; more would hold the event loop too long.
_MOST_READ: Final = 1536

_TOO_LONG: Final = re.compile(
    r"(?i)context.?(?:length|window|size)|maximum (?:context|model|prompt|input)|too (?:long|large|big|many tokens)"
    r"|reduce the (?:length|size|input|number|prompt)|range of input length|[`'\"]?inputs?[`'\"]? tokens|\bbatch size\b"
    r"|(?:prompt|input|request|messages?|payload|sequence).{0,40}exceed|exceed.{0,40}(?:prompt|input|request|seq_len)"
    r"|(?:tokens?|length)\b.{0,60}(?:(?:more|longer|larger) than|exceed)|less than \d+ tokens|maxlength: \d"
    r"|tokens?\b.{0,30}[ (]-\d"
    r"|\bat most \d+ characters|string above max|max sequence|tokens of context|length .{0,30}out of range|过大"
    r"|token.?count .{0,40}up to|max(?:imum)? length of|超长|过长|超(?:过|出|限).{0,20}(?:限|长|最大)|长度.{0,6}超"
)
_TOO_MUCH: Final = re.compile(
    r"(?i)\b(?:request|prompt|input|message)s? (?:is |are |was |were )?too (?:large|long)|must be reduced"
)
_LIMIT_AND_REQUEST: Final = re.compile(r"(?i)\blimit:? (\d{1,9})\b.{0,80}\brequested:? (\d{1,9})\b")
_WITHHELD: Final = re.compile(
    r"(?i)content.?(?:filter|policy|management|security)|responsible.?ai|moderation|data.?inspection|safety|flagged"
    r"|inappropriate|sensitive|prohibited|guard.?rail|jailbreak"
    r"|blocked (?:entity|keyword|word)|prompt.?shield|harmful|\b(?:high|exists) risk\b"
    r"|(?:request|prompt|content|detected)\b.{0,20}\bblocked\b"
    r"|(?:usage|use) (?:polic|guideline)|\bunsafe\b|\btoxic|\bnsfw\b|terms of (?:use|service)"
    r"|content that is not|敏感|不安全|安全检测|违规|违法|违禁"
)
_NO_TEXT: Final = re.compile(r"(?i)\bimages?\b|image_url|base64|\baudio\b|\bvideos?\b|multi.?modal|\bvision\b")
_NO_TOOLS: Final = re.compile(r"(?i)support\w* (?:the )?(?:tools?|functions?)\b|function calling (?:is|not)")
_NO_MODEL: Final = re.compile(
    r"(?i)\bmodels?\b.{0,120}(?:not exist|not found|n[o']t available|not a valid|decommissioned|no longer|disabled"
    r"|not allowed|retired|sunset|has been deprecated|offline|denied|gated|not supported(?: by|$|\n))"
    r"|\b(?:invalid|unknown|no such|unsupported) model\b(?! (?:turn|role|message))|not a valid model"
    r"|\bdeployment\b.{0,40}not be found|authorized to use|not serve the|in your (?:region|country)"
    r"|(?:\b(?:unable to|no|not have)|n.t have) access (?:[\w-]+ ){0,4}model"
    r"|\blocation is not supported|\bcountry, region|模型不存在|model identifier is invalid|requires terms acceptance"
    r"|requested model\b.{0,60}not supported|throughput isn.t supported|not support chat|not a chat model"
    r"|\bnot in v1/chat/completions|not work with the specified model|organization must be verified"
)
_NO_KEY: Final = re.compile(
    r"(?i)\bapi.?key\b.{0,40}(?:not valid|not found|invalid|missing|expired|required)|virtual key|\blogin fail"
    r"|(?:invalid|incorrect).{0,20}\b(?:api.?|secret )key|\baccess token\b.{0,20}(?:invalid|expired)|authentication"
    r"|invalid token\b|\bauth(?:orization)? (?:header|credentials)|\bunauthori[sz]ed\b(?! to)"
)
# Servers report these failures with statuses of bad requests: a model that left the memory, or whose text was no call.
_FAILED: Final = re.compile(
    r"(?i)\bmodel (?:is |was |has )?(?:been )?(?:unloaded|crashed)|failed_generation|try again later|\boverloaded\b"
    r"|\bbusy\b|temporarily unavailable|\btimed out\b"
)
_MUST_STREAM: Final = re.compile(
    r"(?i)\bstream(?:ing)?\b.{0,20}(?:must be|required|only)|only supports? stream|(?:non|without)[- ]?stream"
    r"|must (?:have|set|use) [`'\"]?stream|enable (?:the )?stream|only streaming"
    r"|stream.{0,3}false\b.{0,20}not supported"
)
_NAMES: Final = {
    "stream_options": re.compile(r"(?i)stream[_ ]?options|include_?usage"),
    "seed": re.compile(r"(?i)\bseed\b"),
    "temperature": re.compile(r"(?i)\btemperature\b"),
    "top_p": re.compile(r"(?i)\btop[_ -]?p\b"),
    # "stop" without a mark is no name: any sentence may have the word.
    "stop": re.compile(
        r"(?i)[\"'`.]stop\b|\bstop[\"'`:]|\bstop[_ ]?(?:sequences?|words?|tokens?)\b"
        r"|(?:parameters?|arguments?|fields?|supplied|keys?|property|support):? stop\b|: ?stop\b"
    ),
    "reasoning_effort": re.compile(
        r"(?i)\breasoning[_. ]?effort\b|\bthinking[_ ]?(?:level|budget)\b|support (?:thinking|reasoning)\b"
        r"|\breasoning is mandatory"
    ),
    "parallel_tool_calls": re.compile(r"(?i)\bparallel[_ ]?(?:tool|function)[_ ]?call"),
    "response_format": re.compile(
        r"(?i)\bresponse[_ ]?(?:format|mime[_ ]?type|schema)\b|\bjson[_ ](?:schema|object|mode)\b"
        r"|\bstructured outputs?\b|\boutput_config\b"
    ),
    "tool_choice": re.compile(r"(?i)\btool[_. ]?choice\b|\bforced? (?:tool|function)"),
}
_LIMIT: Final = re.compile(
    r"(?i)\bmax[_ ]?(?:(?:completion|output|new)[_ ]?)?tokens\b|\bmaximum (?:output )?tokens\b"
    r"|\bmax(?:imum)? output length\b"
)
_LIMIT_MUST: Final = re.compile(r"(?i)\bmax_(?:completion_|output_)?tokens\b\W* must be (?:less|at most|<)")
_UNKNOWN_NAME: Final = re.compile(
    r"(?i)unsupported|not supported|un(?:recognized|known|expected)|extra|permitted|not allowed|deprecated|instead|use "
)
_ONE_VALUE: Final = re.compile(
    r"(?i)between|range|之间|区间|[\[(] ?\d[\d.]* ?, ?\d"
    r"|(?:less|greater|larger|more|lower) than|at (?:most|least)|equal to|not be \d|positive|[<>≤≥]|maximum|minimum"
)
_WHOLE: Final = re.compile(r"(?i)unsupported|not supported|only the default")
_TOGETHER: Final = re.compile(r"(?i)both|together|only one|same time|simultaneously|either")
_LEAST: Final = re.compile(
    r"(?i)(?:>=|≥|at least|minimum(?: value)?(?: of| is|:)?|equal to|(?:no|not) (?:less|fewer|lower) than)"
    r":? ?(\d{1,6})\b"
)
_ABOVE: Final = re.compile(r"(?i)(?:>|(?<!no )(?<!not )(?:greater|larger|more|higher) than):? ?(\d{1,6})\b")
_TOO_SMALL: Final = re.compile(
    r"(?i)below|too (?:small|low|few)|at least|minimum|\bbe (?:greater|larger|more|higher) than|[>≥]"
)
_MOST: Final = re.compile(
    r"(?i)(?:<=|≤|at most|(?:maximum|limit)(?: value)?(?: of| is|:)?|equal to|up to|exceeds?"
    r"|(?:no|not) (?:more|greater|larger|higher) than|(?:tokens|length) is"
    r"|最大值?为?|(?:不能?|不得|不可)(?:超过|大于)|上限为?)"
    r":? ?[`'\"]?(\d{2,7})\b"
)
_BELOW: Final = re.compile(r"(?i)(?:<|(?:less|lower|smaller|fewer) than):? ?(\d{2,7})\b")
_RANGE: Final = re.compile(r"(?i)(?:[\[(]|between) ?(\d{1,6}) ?(?:,|and|to) ?(\d{1,7})\b")
# Gemini's words, with a limit that is itself too large, and Anthropic's.
_UP_TO: Final = re.compile(r"(?i)from (\d{1,6}) \(inclusive\) to (\d{1,7}) \((ex|in)clusive\)")
_ASKED_AND_MOST: Final = re.compile(r"(?i)\b(\d{1,7}) > (\d{1,7}), which is the maximum")
_PREFILL: Final = re.compile(
    r"(?i)prefill|end(?:s|ing)? (?:with|in|on) (?:an? |the )?[\"'`]?(?:user|assistant|model)"
    r"|\b(?:last|final) (?:[\"'`]?assistant[\"'`]? )?(?:role|message|turn|content)"
    r"|continue_final_message|add_generation_prompt|(?:assistant|model) (?:messages?|turns?) at the end|\bprefix\b"
)
_TURNS: Final = re.compile(
    r"(?i)alternat|consecutive|successive|odd number|even index|duplicate system|take turns|in a row"
    r"|same role|after role|roles? must|must be (?:at )?the (?:beginning|first)"
    r"|(?:first|start).{0,30}\buser\b|(?:multiple|one|single|several) system|last role"
    r"|non-?empty|(?:not|cannot) be empty|empty (?:content|message|text)|must have (?:either )?[\"'`]?content"
    r"|at least one content"
)
_SYSTEM: Final = re.compile(
    r"(?i)system[\"'`]? ?(?:role|message|prompt|instruction)|[\"'`]system[\"'`]|\brole:? system\b|developer instruction"
    r"|unexpected (?:message )?role|\bonly [\"'`]?user\b.{0,40}\broles?\b|系统(?:角色|消息|提示)"
)
_TAKES_SYSTEM: Final = re.compile(
    r"(?i)\b(?:expected|supported values|should be|must be|one of)\b[^.;]{0,60}\bsystem\b"
)
# Python's own form of a refused request repeats the request, whose members are not to blame.
_ITS_INPUT: Final = re.compile(r"['\"]input['\"]: ?[\[{].*", re.DOTALL)
_SCRIPTS_MEET: Final = re.compile(r"(?<=[!-~])(?=[\u3000-\u9fff])|(?<=[\u3000-\u9fff])(?=[!-~])")
# The words of DeepSeek, of Kimi, and of Gemini.
_LACKING: Final = re.compile(
    r"(?i)\b(reasoning_content|thought_signature)\b.{0,60}(?:missing|must be|required)"
    r"|\bmissing\b.{0,40}\b(reasoning_content|thought_signature)\b"
)

_AVOIDED: Final = {
    PREFILL: Quirks(refuses_prefill=True),
    TURNS: Quirks(merges_turns=True),
    SYSTEM: Quirks(merges_system=True),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The meaning of a provider's refusal."""

    remedies: tuple[Remedy, ...] = ()
    """Changes of the request that may help, the best first; empty if none is known."""
    own_fault: bool = False
    """Whether the request is at fault, for example too long, so that the refusal shows nothing of the candidate."""
    no_model: bool = False
    """Whether the provider does not have the candidate's model, so it refuses every request."""
    no_key: bool = False
    """Whether the provider refuses the candidate's API key."""
    failed: bool = False
    """Whether the provider or the model failed, whatever the status says, so that another attempt may help."""


def refusal(status: int | None, body: ErrorBody, sent: Mapping[str, object]) -> Refusal:
    """Returns the meaning of a refusal of the body `sent`; `status` is None for an error inside a reply."""
    said = f"{body.param}: {body.words}" if body.param else body.words
    # No pattern reaches from one line into the next.
    said = "\n".join([said[:_MOST_READ], *body.kinds])
    words = _ITS_INPUT.sub("", _SCRIPTS_MEET.sub(" ", said))
    if status in _TEMPLATE_FAILED:
        # Servers fail so if the model's chat template refuses the conversation.
        return Refusal(_of_turns(words, sent), own_fault=bool(_TOO_LONG.search(words)))
    if status is not None and status not in _OF_THE_REQUEST:
        return _of_status(status, words)
    if sent.get("stream") is False and _MUST_STREAM.search(words):
        return Refusal((Remedy(ONE_PIECE, Quirks(must_stream=True), named=True),))
    if limited := _of_limit(words, sent):
        return Refusal((limited,))
    if any(fault.search(words) for fault in (_TOO_LONG, _WITHHELD, _NO_TEXT)):
        return Refusal(own_fault=True)
    if found := _of_calls(words, sent) or _of_turns(words, sent) or tuple(_of_members(words, sent)):
        return Refusal(found[:1] if found[0].named else found)
    return _of_words(status, words, sent)


def _of_words(status: int | None, words: str, sent: Mapping[str, object]) -> Refusal:
    """Returns the meaning of a refusal that names nothing in the request that can be changed."""
    if _NO_KEY.search(words):
        return Refusal(no_key=True)
    if _NO_MODEL.search(words):
        return Refusal(no_model=True)
    if _FAILED.search(words):
        return Refusal(failed=True)
    if _NO_TOOLS.search(words):
        return Refusal(own_fault=True)
    if status in _UNKNOWN_CAUSE or "requested parameters" in words:
        return Refusal(tuple(_guesses(sent)), own_fault=True)
    return Refusal()


def _of_status(status: int, words: str) -> Refusal:
    """Returns the meaning of a status that as a rule concerns the candidate and not this request."""
    if status == 429:
        # No wait helps a request that is larger than the limit of a whole minute.
        numbers = _LIMIT_AND_REQUEST.search(words)
        return Refusal(own_fault=bool(_TOO_MUCH.search(words) or (numbers and int(numbers[2]) > int(numbers[1]))))
    of_its_content = (status == 403 and _WITHHELD.search(words)) or (status == 415 and _NO_TEXT.search(words))
    if status in _OF_ONE_REQUEST or of_its_content:
        return Refusal(own_fault=True)
    return Refusal(no_model=status == 403 and bool(_NO_MODEL.search(words)))


def features(sent: Mapping[str, object]) -> frozenset[str]:
    """Returns the features of a body that a provider may refuse."""
    found = {name for name in OPTIONAL if name in sent}
    turns = _turns(sent)
    if _has_prefill(turns):
        found.add(PREFILL)
    if any(turn["role"] == "system" for turn in turns):
        found.add(SYSTEM)
    if alternating(turns) != turns:
        found.add(TURNS)
    return frozenset(found)


def _of_limit(words: str, sent: Mapping[str, object]) -> Remedy | None:
    """Returns the remedy for a token limit that has the wrong name, or is too small or too large."""
    name = next((name for name in MAX_TOKENS if name in sent), None)
    limit = sent.get(name or "")
    if name is None or not isinstance(limit, int) or not _LIMIT.search(words):
        return None
    if "context" in words.lower() and not _LIMIT_MUST.search(words):
        return None
    least, most = _bounds(words, limit, sent)
    if least is not None and limit < least <= _LARGEST_LEAST:
        return Remedy(f"fewer than {least} tokens", Quirks(least_tokens=least), named=True)
    if most is not None and 0 < most < limit:
        return Remedy(f"more than {most} tokens", Quirks(most_tokens=most), named=True)
    if re.search(rf"\b{name}\b", words) and _UNKNOWN_NAME.search(words) and "messages" in sent:
        return Remedy(name, Quirks(other_max_tokens=True), named=True)
    return None


def _bounds(words: str, limit: int, sent: Mapping[str, object]) -> tuple[int | None, int | None]:
    if both := _RANGE.search(words):
        return int(both[1]), int(both[2])
    if both := _UP_TO.search(words):
        return int(both[1]), int(both[2]) - (both[3].lower() == "ex")
    if (over := _ASKED_AND_MOST.search(words)) and int(over[1]) == limit:
        return None, int(over[2])
    most = _MOST.search(words)
    if not most and (below := _BELOW.search(words)):
        return None, int(below[1]) - 1
    if least := _LEAST.search(words):
        return int(least[1]), int(most[1]) if most else None
    if above := _ABOVE.search(words):
        return int(above[1]) + 1, None
    budget = _budget(sent)
    if "budget" in words and budget is not None:
        return budget + 1, None
    if not most and _TOO_SMALL.search(words):
        return next((least for least in _USUAL_LEAST if least > limit), None), None
    return None, int(most[1]) if most else None


def _budget(sent: Mapping[str, object]) -> int | None:
    """Returns the budget of hidden reasoning, in tokens, that the entry sets."""
    thinking = sent.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if isinstance(budget, int) else None


def _of_members(words: str, sent: Mapping[str, object]) -> Iterator[Remedy]:
    """Yields remedies for the members that the words name."""
    named = [name for name in OPTIONAL if name in sent and _NAMES[name].search(words)]
    if {"temperature", "top_p"} <= set(named) and _TOGETHER.search(words):
        yield _remedy(BOTH, named=True)
    for name in named:
        value = name in _VALUED and _ONE_VALUE.search(words) and not _WHOLE.search(words)
        refused = one_value(name, sent[name]) if value else name
        yield _remedy(refused, named=True)


def _of_calls(words: str, sent: Mapping[str, object]) -> tuple[Remedy, ...]:
    """Returns the remedy for earlier tool calls without what the provider wants with them."""
    lacking = _LACKING.search(words)
    if lacking is None or not any(turn.get("tool_calls") for turn in _turns(sent)):
        return ()
    name = (lacking[1] or lacking[2]).lower()
    return (Remedy(f"{WITHOUT}{name}", Quirks(fills=frozenset({name})), named=True),)


def _of_turns(words: str, sent: Mapping[str, object]) -> tuple[Remedy, ...]:
    """Returns remedies for roles and the order of turns, if the words name them: a sure remedy, or guesses."""
    turns = _turns(sent)
    has_prefill = _has_prefill(turns)
    has_system = any(turn["role"] == "system" for turn in turns)
    of_order = bool(_TURNS.search(words))
    if has_prefill and _PREFILL.search(words):
        return (_remedy(PREFILL, named=True),)
    if of_order and alternating(turns) != turns:
        return (_remedy(TURNS, named=True),)
    if has_system and _SYSTEM.search(words) and not _TAKES_SYSTEM.search(words):
        return (_remedy(SYSTEM, named=True),)
    if not of_order:
        return ()
    # Templates say the same of a system message and of a conversation that ends with the assistant's turn.
    of_system = (_remedy(SYSTEM, named=not has_prefill),) if has_system else ()
    return (*of_system, _remedy(PREFILL)) if has_prefill else of_system


def _guesses(sent: Mapping[str, object]) -> list[Remedy]:
    """Returns remedies for a refusal that names no cause, the likeliest first."""
    found = features(sent)
    singles = [_remedy(name) for name in (PREFILL, TURNS, *OPTIONAL) if name in found]
    if SYSTEM in found:
        singles.insert(3, _remedy(SYSTEM))
    return singles


def _remedy(feature: str, *, named: bool = False) -> Remedy:
    """Returns the remedy that avoids a feature of a request."""
    avoided = _AVOIDED.get(feature) or Quirks(refused=frozenset({feature}))
    return Remedy(feature, avoided, named=named)


def _turns(sent: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    turns = sent.get("messages")
    return turns if isinstance(turns, list) else []


def _has_prefill(turns: Sequence[Mapping[str, object]]) -> bool:
    return bool(turns) and turns[-1]["role"] == "assistant"
