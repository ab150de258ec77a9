"""The OpenAI API: vLLM, SGLang, llama.cpp, Ollama, DeepSeek, Mistral, OpenRouter, Together and OpenAI speak it."""

from __future__ import annotations

from collections.abc import Mapping

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers.api import Written
from lightrouter.adapter.providers.openai_reply import OpenAIReply
from lightrouter.adapter.providers.openai_request import RequestWriter
from lightrouter.adapter.templates import ChatTemplateError
from lightrouter.adapter.tool_calls import ToolCallReader
from lightrouter.pool.schema import CandidateEntry
from lightrouter.pool.values import AUTHORIZATION


class OpenAI:
    """The OpenAI API. See `Api`."""

    key_header = AUTHORIZATION
    headers: Mapping[str, str] = {}

    def __init__(self, entry: CandidateEntry) -> None:
        """Prepares the requests of the candidate of `entry`.

        Raises:
            ChatTemplateError: The entry uses raw prompts and its chat template cannot be used.
        """
        self._entry = entry
        self._writer = RequestWriter(entry)
        self.path = self.stream_path = self._writer.path

    def write(self, request: ProviderRequest, *, streamed: bool) -> Written:
        """Returns the request to send. See `Api.write`."""
        try:
            return self._writer.write(request, streamed=streamed)
        except ChatTemplateError as fault:
            raise faults.rejected(None, str(fault)) from None

    def reader(self, request: ProviderRequest, info: ReplyInfo) -> OpenAIReply:
        """Returns the reader of a reply. See `Api.reader`."""
        tools = [tool.name for tool in request.output.tools]
        info.calls = ToolCallReader(tools) if tools else None
        return OpenAIReply(self._entry, info)
