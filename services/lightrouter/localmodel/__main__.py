"""`python -m lightrouter.localmodel`: serves a GGUF model until it is told to stop."""

import argparse
import ctypes
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lightrouter.localmodel.download import ModelUnavailableError, fetch_model
from lightrouter.localmodel.server import ServerFailedError, ServerOptions, start
from lightrouter.runtime import files

_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
# From Linux's <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
# A choice: only for systems without that signal.
_PARENT_CHECK_SECONDS = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server in the foreground; returns 1 when it could not start, and exits with 0 when it was stopped."""
    arguments = _parser().parse_args(argv)
    if arguments.exit_with_parent:
        _follow_parent(os.getppid())
    try:
        model = arguments.model or fetch_model(progress=_tell)
        # After the download, whose pip must not inherit the mask, and before llama.cpp's threads, which must: so the
        # signal waits for this thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        options = ServerOptions(
            model=model,
            host=arguments.host,
            port=arguments.port,
            name=arguments.name,
            parallel=arguments.parallel,
            context_tokens=arguments.context_tokens,
            threads=arguments.threads,
            chat_template=arguments.chat_template_file,
            verbose=arguments.verbose,
        )
        server = start(options)
        _announce(server.listening_address, options, arguments.ready_file)
    except (ModelUnavailableError, ServerFailedError) as error:
        _tell(str(error))
        return 1
    except OSError as error:
        _tell(f"The server's address could not be announced: {error}.")
        return 1
    except KeyboardInterrupt:
        return 130
    signal.sigwait(_STOP_SIGNALS)
    # llama.cpp's own shutdown waits for requests that are still decoding, and there is nothing here to save.
    return _exit_now()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lightrouter.localmodel",
        description="Serve a GGUF model over an OpenAI-compatible HTTP API until SIGTERM or SIGINT.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one")
    parser.add_argument("--model", type=Path, help="GGUF file (default: SmolLM2-135M, downloaded once)")
    parser.add_argument("--name", default="smollm2-135m", help="the model's name (default: %(default)s)")
    parser.add_argument(
        "--parallel", type=_positive, default=12, help="slots, requests decoded at once (default: %(default)s)"
    )
    parser.add_argument(
        "--context-tokens", type=_positive, default=24_576, help="tokens all slots hold together (default: %(default)s)"
    )
    parser.add_argument("--threads", type=_positive, default=0, help="threads (default: one a usable CPU, at most 4)")
    parser.add_argument(
        "--chat-template-file", type=Path, help="Jinja chat template, for example with tools (default: the model's own)"
    )
    parser.add_argument("--ready-file", type=Path, help="write the ready line here, not to standard output")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the process that started it ends")
    parser.add_argument("--verbose", action="store_true", help="log llama.cpp's work to standard error")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def _announce(address: str, options: ServerOptions, ready_file: Path | None) -> None:
    line = json.dumps({"base_url": f"{address}/v1", "model": options.name, "pid": os.getpid()}) + "\n"
    if ready_file is None:
        sys.stdout.write(line)
        sys.stdout.flush()
        return
    files.replace(ready_file, line.encode())


def _follow_parent(parent: int) -> None:
    if platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        # The parent may have ended before the kernel was asked to tell.
        if os.getppid() != parent:
            _exit_now()
        return
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(_PARENT_CHECK_SECONDS)
    _exit_now()


def _exit_now() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
