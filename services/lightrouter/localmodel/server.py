"""Serves one GGUF model over an OpenAI-compatible HTTP API, with llama.cpp inside this process."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

_GGUF_MAGIC = b"GGUF"
# From llama.cpp: enum ggml_type of ggml.h, and the levels of its --verbosity.
_GGML_TYPE_Q8_0 = 8
_LOG_ERRORS = 1
_LOG_INFO = 3


class ServerFailedError(Exception):
    """The model could not be served; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What to serve, and with how much of the machine.

    Attributes:
        model: The GGUF file.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        name: The model's name in /v1/models and in replies.
        parallel: Slots, each of which decodes one request and keeps its text's KV cache afterwards. A slot that is
            taken over loses that cache, so there should be one for each boot text that is still waiting to go on.
        context_tokens: Tokens that all slots together can hold; one request may use what the others leave of it, up
            to what the model was trained for. SmolLM2-135M takes 12 kB for each.
        threads: Threads that compute; 0 takes one for each usable CPU, at most 4.
        chat_template: A Jinja chat template to use in place of the model's own, for example one with tools; None uses
            the model's.
        verbose: Logs llama.cpp's work to standard error, not just its failures.
    """

    model: Path
    host: str = "127.0.0.1"
    port: int = 0
    name: str = "smollm2-135m"
    parallel: int = 12
    context_tokens: int = 24_576
    threads: int = 0
    chat_template: Path | None = None
    verbose: bool = False


class RunningServer(Protocol):
    """A server that answers for as long as this object is referenced."""

    @property
    def listening_address(self) -> str:
        """The URL it answers at, such as `http://127.0.0.1:8080`, without a path."""
        ...


class _ModelParams(Protocol):
    path: str


class _CpuParams(Protocol):
    n_threads: int


class _Params(Protocol):
    model: _ModelParams
    chat_template: str
    cpuparams: _CpuParams
    cpuparams_batch: _CpuParams
    hostnames: list[str]
    port: int
    model_alias: set[str]
    n_parallel: int
    n_ctx: int
    n_gpu_layers: int
    n_threads_http: int
    kv_unified: bool
    cache_idle_slots: bool
    endpoint_metrics: bool
    cache_type_k: int
    cache_type_v: int
    slot_prompt_similarity: float
    cache_ram_mib: int
    fit_params: bool
    ui: bool
    verbosity: int


class _Library(Protocol):
    CommonParams: Callable[[], _Params]
    Server: Callable[[_Params], RunningServer]


def start(options: ServerOptions) -> RunningServer:
    """Loads the model and serves it; returns when it answers (0.5 to 1 s for SmolLM2-135M).

    Raises:
        ServerFailedError: xllamacpp is missing or cannot be loaded, the file is no GGUF model, the template cannot be
            read, or the port is taken.
    """
    _check_model(options.model)
    library = _load_library()
    params = library.CommonParams()
    _configure(params, options)
    try:
        return library.Server(params)
    except (RuntimeError, ValueError) as error:
        raise ServerFailedError(
            f"llama.cpp could not start on {options.host}:{options.port} with {options.model}: check that the port is "
            "free and the memory is enough, or run it with --verbose."
        ) from error


def usable_threads() -> int:
    """CPUs that this process may use, at most 4: a model this small gains nothing from more."""
    affinity: Any = getattr(os, "sched_getaffinity", None)  # Linux has it, macOS and Windows do not
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(count, 4))


def _check_model(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GGUF_MAGIC))
    except OSError as error:
        raise ServerFailedError(f"The model file {path} cannot be read: {error.strerror}.") from error
    if magic != _GGUF_MAGIC:
        raise ServerFailedError(f"{path} is not a GGUF model file.")


def _read(template: Path) -> str:
    try:
        return template.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServerFailedError(f"The chat template {template} cannot be read: {error}.") from error


def _load_library() -> _Library:
    # OpenMP reads these once, when the library is loaded. Threads that wait by spinning starve the suite's other
    # processes on a small machine; threads that sleep at every barrier halve the speed. A short spin avoids both.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        return cast("_Library", importlib.import_module("xllamacpp"))
    except ModuleNotFoundError as error:
        raise ServerFailedError("The local model needs xllamacpp: run `pip install 'lightrouter[local]'`.") from error
    except ImportError as error:
        raise ServerFailedError(
            f"xllamacpp cannot be loaded ({error}): install the system library it names."
        ) from error


def _configure(params: _Params, options: ServerOptions) -> None:
    threads = options.threads or usable_threads()
    params.model.path = str(options.model)
    params.model_alias = {options.name}
    if options.chat_template:
        params.chat_template = _read(options.chat_template)
    params.hostnames = [options.host]
    params.port = options.port
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = 0
    params.n_parallel = options.parallel
    params.n_ctx = options.context_tokens
    # One pool of cells: a long prompt may take more than its share, and idle slots give way to it.
    params.kv_unified = True
    # Else every new request moves the idle slots' caches away, and boot texts are evaluated again.
    params.cache_idle_slots = False
    params.cache_type_k = _GGML_TYPE_Q8_0
    params.cache_type_v = _GGML_TYPE_Q8_0
    # At llama.cpp's 0.1 a short prompt with the same system message takes over a neighbour's slot and its cache.
    params.slot_prompt_similarity = 0.5
    params.cache_ram_mib = 256
    # Each open connection holds one thread, idle ones too.
    params.n_threads_http = 4 * options.parallel
    params.fit_params = False
    # /metrics counts the prompt tokens that were really read.
    params.endpoint_metrics = True
    params.ui = False
    params.verbosity = _LOG_INFO if options.verbose else _LOG_ERRORS
