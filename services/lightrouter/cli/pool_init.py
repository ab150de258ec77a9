"""`lightrouter pool init`: a pool file from an endpoint's models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lightrouter.cli import endpoint
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import command, option
from lightrouter.cli.modelapis import Endpoint, endpoint_options
from lightrouter.cli.poolentries import pool_text
from lightrouter.cli.served import ServedModel
from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError
from lightrouter.runtime import files

_EXAMPLES: Final = """\
  lightrouter pool init http://localhost:11434                   Ollama
  lightrouter pool init http://localhost:8000/v1 --out vllm.yaml
  lightrouter pool init https://api.anthropic.com --api-key-env ANTHROPIC_API_KEY
  lightrouter pool init https://generativelanguage.googleapis.com --api-key-env GEMINI_API_KEY
  lightrouter pool init https://openrouter.ai/api --api-key-env OPENROUTER_API_KEY --model qwen/qwen3-8b --model ...
"""
# A choice: as many candidates as the benchmark's pool has.
_MOST_BY_DEFAULT: Final = 8


@command("init", _EXAMPLES)
@endpoint_options
@option("--out", type=Path, default=Path("pool.yaml"), help="the pool file")
@option("--force", is_flag=True, help="overwrite an existing file")
def init(at: Endpoint, out: Path, force: bool) -> None:
    """Writes a pool file from an endpoint's models.

    Asks the endpoint which models it serves, and writes a commented pool file with one candidate for each. It may
    speak the OpenAI API (Ollama, vLLM, llama.cpp, SGLang, OpenRouter, ...), Anthropic's or Gemini's. Without --model
    the file has the first models listed that write text, at most eight.
    """
    if out.exists() and not force:
        raise CommandError(f"{out} exists already; --force overwrites it, --out names another", ExitCode.USAGE)
    base_url, served = endpoint.served_by(at.url, at.api_key_env, at.api)
    chosen = _chosen(served, at.models)
    content = pool_text(base_url, chosen, len(served) - len(chosen), at.api_key_env, at.api)
    try:
        pool = file.parse(content.encode(), out)
    except PoolFileError as error:
        raise CommandError(f"the models of {base_url} make no valid pool file:\n{error}") from None
    files.replace(out, content.encode())
    sys.stdout.write(f"{out}: {', '.join(pool.entries)}\n")
    sys.stderr.write(f"next: check the prices, then `lightrouter up --pool {out}`\n")


def _chosen(served: list[ServedModel], wanted: Sequence[str]) -> list[ServedModel]:
    if not wanted:
        if not (chatting := [model for model in served if model.chats]):
            raise CommandError("the endpoint lists no model that writes text; --model ID includes one anyway")
        return chatting[:_MOST_BY_DEFAULT]
    return endpoint.named(served, wanted)
