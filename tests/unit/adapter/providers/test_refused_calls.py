"""Refused calls in the words of real providers: what the adapter decides, by the whole way from bytes to the error.

Each row is a status and a body: words, which stand in `error.message` then, JSON or HTML.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from lightrouter.adapter.credentials import NoKey
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.http import Endpoint, Reply
from lightrouter.adapter.providers.http_provider import HttpProvider
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, OutputSpec, ReasoningEffort, Role, Sampling, Tool, ToolChoice, ToolMode
from lightrouter.v1.error_reason_pb2 import ErrorReason

SYSTEM = ChatMessage(role=Role.ROLE_SYSTEM, content="Be brief.")
USER = ChatMessage(role=Role.ROLE_USER, content="Hi")
NOTHING = ChatMessage(role=Role.ROLE_ASSISTANT, content="")
SAMPLING = Sampling(
    temperature=0, top_p=0.5, seed=7, stop=["END"], reasoning_effort=ReasoningEffort.REASONING_EFFORT_LOW
)
OUTPUT = OutputSpec(
    tools=[Tool(name="look")],
    tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED),
    parallel_tool_calls=True,
    json_object=True,
)
REQUESTS = {
    "all": ProviderRequest((SYSTEM, USER), SAMPLING, 200, output=OUTPUT),
    "few tokens": ProviderRequest((USER,), Sampling(), 8),
    "many tokens": ProviderRequest((USER,), Sampling(), 100_000),
    "prefill": ProviderRequest((SYSTEM, USER), SAMPLING, 200, "Well"),
    "turns": ProviderRequest((USER, NOTHING, USER, USER), Sampling(), 200),
}
# Of a request with everything that can be refused, by the decision.
PREFILLED = {
    "own": """
400 {"error": {"message": "too long", "code": "context_length_exceeded"}}
400 Your input exceeds the context window of this model. Please adjust your input and try again.
400 Input tokens exceed the configured limit of 272000 tokens.
400 The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).
400 Unable to submit request because the input token count is 40000 but model only supports up to 32768.
400 prompt is too long: 213462 tokens > 200000 maximum
413 {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}
413 <html><title>413 Request Entity Too Large</title></html>
400 {"message": "expected maxLength: 2048, actual: 3000, please reformat your input and try again."}
400 {"message": "Too many input tokens. Max input tokens: 8192, request input token count: 10234"}
400 Prompt contains 150000 tokens and 0 draft tokens, too large for model with 131072 maximum context length
400 too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.
400 Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)
400 <400> InternalError.Algo.InvalidParameter: Total message token length exceed model limit, value limit: 30720.
400 the length of messages exceeds the limit: 5120
400 {"error_code": 336103, "error_msg": "the max length of current prompt is 2000 tokens"}
422 {"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"}
400 max_tokens must be at least 1, got -56.
400 default_max_tokens (-100) should be greater than 0, default_max_tokens (-100) = max_seq_len (2048)
400 The sum of prompt length (9000.0), query length (0) should not exceed max_num_tokens (8192)
400 tokens in request more than max tokens allowed
400 length of input_ids 9000 is larger than max_seq_len 8192
400 {"StatusCode": 400, "error": "sequence length exceeds max_seq_len"}
400 上下文长度超过限制
400 您的输入长度超过了模型的最大限制
400 Content Exists Risk
400 The request was rejected because it was considered high risk
400 您的输入包含违规内容
400 input violates content security policy
400 Violated Guardrail: PII detected
446 The guardrail checks defined in the config failed.
400 Request blocked by Prompt Shield: jailbreak detected
400 The model's response violated Google's Generative AI Prohibited Use policy.
400 Output blocked by content filtering policy
403 {"code": "no permission", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}
200 {"base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}}
200 {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}
400 This model does not support image input
400 audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj
400 gemma3:4b does not support tools
400 Function calling is not enabled for models/gemma-3-27b-it
404 {"error": {"message": "No endpoints found that support tool use.", "code": 404}}
429 Request too large on tokens per min (TPM): Limit 30000, Requested 43210.
400 {"error": {"message": "no", "code": "context_length_exceeded"}}
400 {"error": {"message": "no", "type": "context_length_exceeded"}}
400 {"error": {"message": "no", "code": "string_above_max_length"}}
400 {"error": {"message": "no", "code": "content_filter"}}
400 {"error": {"message": "no", "type": "moderation_blocked"}}
400 {"error": {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
422 {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "String should have at most 100000 characters"}]}
400 max sequence length is 4096, got 5000
400 This model only supports 4096 tokens of context
400 请求内容过大
400 unsafe content detected
400 PII detected in request and blocked
403 This content may violate our terms of use
403 openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence". No credits were charged.
403 {"error": {"message": "Your input was flagged, and no credits have been used", "code": 403}}
415 Unsupported media type image/tiff
415 {"error": {"message": "audio/flac is no format of audio that this model takes"}}
400 内容安全检测不通过
""",
    "no key": """
401 Unauthorized
401 {"error": {"code": "1002", "message": "Authorization Token非法"}}
400 API Key not found. Please pass a valid API key.
400 {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***."}
400 {"errors": [{"message": "Authentication error", "code": 10000}], "success": false}
400 {"message": "Invalid x-portkey-api-key"}
200 {"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}}
200 {"base_resp": {"status_code": 2049, "status_msg": "invalid api key"}}
200 {"error_code": 111, "error_msg": "Access token expired"}
400 {"error": {"message": "no", "code": "invalid_api_key"}}
400 Missing Authorization header
400 No auth credentials found
""",
    "unpaid": """
401 {"error": {"message": "该令牌额度已用尽", "type": "new_api_error"}}
402 {"message": "Payment required"}
403 token quota is not enough, token remain quota: $0.01
403 预扣费额度失败, 用户剩余额度: $0.1
403 {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has been exhausted."}
400 {"error": {"message": "Budget has been exceeded! Current cost: 10.2", "type": "budget_exceeded"}}
412 {"status": "failure", "message": "Budget exceeded"}
400 Your credit balance is too low to access the Anthropic API.
429 {"error": {"message": "no", "metadata": {"raw": "{\\"error\\":{\\"type\\":\\"exceeded_current_quota_error\\"}}"}}}
200 {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
403 Your account balance is not enough
403 Please top up your account
403 You have no credits left
403 No credits. Buy some to go on.
429 Your organization has run out of prepaid credits
429 Monthly quota exhausted, please upgrade your plan
403 This API method requires billing to be enabled.
""",
    "later": """
200 {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
200 {"base_resp": {"status_code": 2056, "status_msg": "usage limit exceeded"}}
200 {"error_code": 18, "error_msg": "Open api qps request limit reached"}
200 {"error_code": 336501, "error_msg": "Rpm request limit reached"}
429 <html>slow down</html>
429 Model is not ready for inference. Wait and try your request again.
400 {"error": {"message": "Too many requests", "code": "rate_limit_exceeded", "type": "invalid_request_error"}}
400 {"error": {"message": "rate limit exceeded", "type": "invalid_request_error"}}
403 Rate limit exceeded
403 Quota exceeded for quota metric 'Generate Content API requests per minute' and limit
""",
    "later in 32": """
429 {"error": {"message": "exceeded your current quota", "details": [{"@type": "x"}, {"retryDelay": "32s"}]}}
429 {"error": {"message": "no", "metadata": {"raw": "{\\"error\\": {\\"retry_after_seconds\\": 32}}"}}}
429 Rate limit of 50 per 86400s exceeded. Please wait 32 seconds before retrying.
""",
    "failed": """
498 Flex tier capacity exceeded
400 Model is unloaded.
400 The model has crashed without additional information. (Exit code: 6)
400 Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.
503 {"error": "server busy, please try again.  maximum pending requests exceeded"}
520 error code: 520
200 {"base_resp": {"status_code": 1001, "status_msg": "timeout"}}
400 server is busy, please retry
400 {"error": {"message": "no", "code": 503}}
""",
    "no model": """
400 "nomic-embed-text" does not support chat
403 {"error": {"message": "Project `p` does not have access to model `gpt-5`", "code": "model_not_found"}}
403 {"message": "You don't have access to the model with the specified model ID."}
403 Country, region, or territory not supported
403 {"code": 30003, "message": "Model disabled."}
400 {"error": {"code": "1211", "message": "模型不存在\uff0c请检查模型代码。"}}
400 The model `x` requires terms acceptance. Please have the org admin accept the terms.
400 Unable to access non-serverless model x. Please create and start a new dedicated endpoint.
400 {"message": "The provided model identifier is invalid."}
400 {"message": "Invocation of model ID x with on-demand throughput isn't supported."}
400 The requested model 'x' is not supported by any provider you have enabled.
400 This is not a chat model and thus not supported in the v1/chat/completions endpoint.
404 This model is only supported in v1/responses and not in v1/chat/completions.
400 The chatCompletion operation does not work with the specified model, gpt-5-codex.
400 Your organization must be verified to stream this model.
404 {"detail": "Not Found"}
410 {"title": "Gone", "detail": "The model 'x' has reached its end of life."}
400 {"error": {"message": "no", "code": "model_not_found"}}
400 {"error": {"message": "no", "type": "invalid_model"}}
400 The model has been retired
400 The specified deployment could not be found
400 This endpoint does not serve the model x
403 This model is gated; request access on the Hub
400 This service is not available in your region
""",
    "prefill": """
400 {"error": {"message": "{\\"error\\": {\\"message\\": \\"does not support assistant message prefill\\"}}"}}
500 litellm.BadRequestError: AnthropicException - The conversation must end with a user message.
400 Expected last role to be one of: [user, tool] but got assistant
400 The last message of deepseek-reasoner must be a user message
400 messages: final assistant content cannot end with trailing whitespace
""",
}
REFUSED = {
    ("all", "temperature"): """
400 `temperature` may only be set to 1 when thinking is enabled.
400 litellm.UnsupportedParamsError: O-series models don't support temperature=0.0. Only temperature=1 is supported.
""",
    ("all", "temperature=0.0"): """
400 Temperature should be in [0.0, 2.0)
400 temperature: Input should be less than or equal to 1
400 Malformed input request: #/temperature: 1.5 is not less or equal to 1
200 {"base_resp": {"status_code": 2013, "status_msg": "invalid params, param 'temperature' should be in (0,1]"}}
400 {"error": {"code": "1210", "message": "temperature参数非法\uff0c限制为(0,1)区间"}}
400 temperature must not be 0
""",
    ("all", "top_p=0.5"): """
400 top_p must be in (0, 1], got 0.0.
400 {"error": {"code": "1214", "message": "top_p 参数非法\uff1a必须在 (0,1) 之间"}}
400 Input should be less than or equal to 1, field: 'top_p', value: 2
""",
    ("all", "seed"): """
422 {"message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}}
422 {"message": "{\\"detail\\":[{\\"loc\\":[\\"body\\",\\"seed\\"],\\"msg\\":\\"Extra inputs are not permitted\\"}]}"}
422 Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `model`
404 {"error": {"message": "No endpoints found that support the requested parameters: seed", "code": 404}}
400 {"error": {"message": "seed exceeds the allowed size", "type": "invalid_request_error"}}
""",
    ("all", "reasoning_effort"): """
400 Thinking level is not supported for this model.
400 Thinking budget is not supported for this model
400 {"error": "\\"gemma3\\" does not support thinking"}
400 Reasoning is mandatory for this endpoint and cannot be disabled.
400 Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions.
""",
    ("all", "response_format"): """
400 Function calling with a response mime type: 'application/json' is unsupported
400 JSON mode is not enabled for models/gemma-3-27b-it
400 Json mode response is not supported when enable_thinking is true
400 json mode cannot be combined with tool/function calling
400 structured outputs are not supported by this model
400 output_config.format: not supported
""",
    ("all", "tool_choice"): """
400 "auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set
400 [{'loc': ('body',), 'msg': '`tool_choice` must be a named tool', 'input': {'seed': 1, 'temperature': 0.0}}]
400 Thinking may not be enabled when tool_choice forces tool use.
400 {"message": "Unsupported tool_choice: type='function'", "param": "tool_choice", "code": "wrong_api_format"}
400 forced tool calling is not supported
""",
    ("all", "parallel_tool_calls"): """
400 {"code": "Client specified an invalid argument", "error": "Argument not supported: parallelToolCalls"}
400 parallel function calling is not supported
""",
    ("all", "stop"): """
400 {"message": "Malformed input request: #: extraneous key [stop_sequences] is not permitted"}
400 Custom stop words not available for your account.
""",
    ("all", "answers in one piece"): """
400 This model only support stream mode, please enable the stream parameter to access the model.
400 parameter.enable_thinking must be set to false for non-streaming calls
400 Requests with max_tokens > 4096 must have stream=true
400 `stream=false` is not supported for this model
""",
    ("all", "system role"): """
400 Only user, assistant and tool roles are supported!
400 Unexpected message role.
400 {"error": {"code": "1214", "message": "不支持系统角色"}}
""",
    ("turns", "turns that do not alternate"): """
400 deepseek-reasoner does not support successive user or assistant messages
200 {"error_code": 336006, "error_msg": "the length of messages must be an odd number"}
200 {"error_code": 336006, "error_msg": "the role of message with even index must be user"}
400 Each message must have at least one content element.
400 invalid params, chat content has duplicate system prompt, please check (2013)
400 messages: user and assistant must take turns
""",
    ("many tokens", "more than 8192 tokens"): """
400 invalid request: "max_tokens": must be no greater than 8192
400 {"error": {"code": "1210", "message": "max_tokens 参数超出限制\uff0c最大值为 8192"}}
422 {"title": "Unprocessable Entity", "detail": "Input should be less than or equal to 8192 at body.max_tokens"}
400 max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens
400 Maximum allowed max_tokens is 8192, got 100000
400 max_tokens should be between 1 and 8192
400 max_tokens should be <8193
400 The maximum output length is 8192 tokens
""",
    ("few tokens", "fewer than 16 tokens"): """
400 Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 8 instead.
400 max_tokens must be at least 16
400 max_tokens must be between 16 and 8192
""",
}
# Words of lists that name what is taken, not what is refused.
NOT_NAMED = """
400 Invalid value: 'tool'. Supported values are: 'system', 'assistant', 'user', 'function'.
400 messages[0].role: unknown variant `developer`, expected one of `system`, `user`
404 No endpoints found that can handle the requested parameters.
"""


def rows(text: str) -> Iterator[tuple[int, str]]:
    for line in text.strip().splitlines():
        status, _, body = line.partition(" ")
        yield int(status), body if body.startswith(("{", "<html")) else json.dumps({"error": {"message": body}})


class _Refusing:
    """Stands for the HTTP transport; all else is the adapter's own."""

    def __init__(self, status: int, body: str) -> None:
        self._status, self._body = status, body

    async def post(self, *_: Any, **__: Any) -> Reply:
        async def content() -> AsyncIterator[bytes]:
            yield self._body.encode()

        return Reply(self._status, CIMultiDict(), content(), lambda: None, 100_000)


async def decision(name: str, status: int, body: str) -> str:
    entry = CandidateEntry.model_validate(
        {"name": "a", "base_url": "http://h/v1", "model": "m", "continuation": "trailing"}
    )
    endpoint = cast("Endpoint", _Refusing(status, body))
    provider = HttpProvider(OpenAI(entry), endpoint, NoKey(), max_document_bytes=100_000)
    with pytest.raises(UpstreamError) as caught:
        await provider.generate(REQUESTS[name], ReplyInfo())
    error = caught.value
    if error.remedies:
        return ", ".join(error.remedies[0].quirks.described()) if error.remedies[0].named else "guesses"
    wait = "" if error.retry_after is None else f" in {error.retry_after:g}"
    kinds = {
        ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED: "no key",
        ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED: f"later{wait}" if error.retryable else "unpaid",
        ErrorReason.ERROR_REASON_UPSTREAM_REJECTED: "own" if error.works is None else "no model",
        ErrorReason.ERROR_REASON_UPSTREAM_ERROR: "failed" if error.retryable else "no retry",
    }
    return kinds[error.reason]


@pytest.mark.parametrize("meant", PREFILLED)
async def test_what_a_refusal_means(meant: str) -> None:
    told = {body: await decision("prefill", status, body) for status, body in rows(PREFILLED[meant])}
    assert told == dict.fromkeys(told, meant)


@pytest.mark.parametrize(("name", "avoided"), REFUSED)
async def test_what_is_left_away_or_put_otherwise(name: str, avoided: str) -> None:
    told = {body: await decision(name, status, body) for status, body in rows(REFUSED[name, avoided])}
    assert told == dict.fromkeys(told, avoided)


async def test_what_a_provider_takes_is_not_what_it_refuses() -> None:
    assert {await decision("all", status, body) for status, body in rows(NOT_NAMED)} == {"guesses"}
