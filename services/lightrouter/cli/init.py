"""`lightrouter init`: a pool file from an endpoint's models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from lightrouter.cli import endpoint
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.modelapis import api_of, configure_provider
from lightrouter.cli.poolentries import pool_text
from lightrouter.cli.served import ServedModel
from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError

_DESCRIPTION: Final = """\
Asks an endpoint which models it serves, and writes a commented pool file with one candidate for each. It may speak the
OpenAI API (Ollama, vLLM, llama.cpp, SGLang, OpenRouter, ...), Anthropic's or Gemini's.
"""

_EPILOG: Final = """\
examples:
  lightrouter init http://localhost:11434                   Ollama
  lightrouter init http://localhost:8000/v1 --out vllm.yaml
  lightrouter init https://api.anthropic.com --api-key-env ANTHROPIC_API_KEY
  lightrouter init https://generativelanguage.googleapis.com --api-key-env GEMINI_API_KEY
  lightrouter init https://openrouter.ai/api --api-key-env OPENROUTER_API_KEY --model qwen/qwen3-8b --model ...
"""
# A choice: as many candidates as the benchmark's pool has.
_MOST_BY_DEFAULT: Final = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `init`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("url", metavar="URL", help="the endpoint, with or without /v1")
    parser.add_argument("--out", type=Path, default=Path("pool.yaml"), metavar="FILE", help="default: pool.yaml")
    configure_provider(parser)
    parser.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the API key")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ID",
        help=f"a model to include, may be repeated; default: the first {_MOST_BY_DEFAULT} listed that write text",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Writes the pool file."""
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise CommandError(f"{out} exists already; --force overwrites it, --out names another", ExitCode.USAGE)
    api = api_of(arguments.url, arguments.provider)
    base_url, served = endpoint.served_by(arguments.url, arguments.api_key_env, api)
    chosen = _chosen(served, arguments.model)
    content = pool_text(base_url, chosen, len(served) - len(chosen), arguments.api_key_env, api)
    try:
        pool = file.parse(content.encode(), out)
    except PoolFileError as error:
        raise CommandError(f"the models of {base_url} make no valid pool file:\n{error}") from None
    endpoint.write(out, content)
    sys.stdout.write(f"{out}: {', '.join(pool.entries)}\n")
    sys.stderr.write(f"next: check the prices, then `lightrouter up --pool {out}`\n")
    return ExitCode.OK


def _chosen(served: list[ServedModel], wanted: list[str]) -> list[ServedModel]:
    if not wanted:
        if not (chatting := [model for model in served if model.chats]):
            raise CommandError("the endpoint lists no model that writes text; --model ID includes one anyway")
        return chatting[:_MOST_BY_DEFAULT]
    return endpoint.named(served, wanted)
