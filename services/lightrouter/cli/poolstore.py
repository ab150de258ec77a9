"""The pool that `lightrouter pool` works on: a pool file, or the Candidate resources of a namespace."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import option, together
from lightrouter.cli.places import POOL_VARIABLE, usual_pool

if TYPE_CHECKING:
    from lightrouter.pool.schema import Pool
    from lightrouter.pool.store import Store

_SECTION = "Pool"
_POOL_OPTION = option(
    "--pool", type=Path, section=_SECTION, help=f"the pool file; default: ${POOL_VARIABLE}, else ./pool.yaml"
)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a pool is.

    Attributes:
        file: The pool file; None: the pool is in a cluster.
        namespace: The namespace with the Candidate resources; empty: that of the context.
        selector: Label selector of the resources; empty: all.
        context: The context of the kubeconfig; empty: the current one.
        kubeconfig: The kubeconfig; None: the pod's service account, else the usual one.
    """

    file: Path | None
    namespace: str = ""
    selector: str = ""
    context: str = ""
    kubeconfig: Path | None = None


def pool_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--pool`; the function gets the pool file as `path`."""

    @wraps(function)
    def with_file(pool: Path | None, **given: Any) -> Any:
        return function(path=_found(pool), **given)

    return _POOL_OPTION(with_file)


def home_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that name the pool; the function gets them as `home`, a `Home`."""

    @wraps(function)
    def with_home(
        pool: Path | None, namespace: str, candidate_selector: str, context: str, kubeconfig: Path | None, **given: Any
    ) -> Any:
        in_cluster = bool(namespace or context or kubeconfig)
        if pool and in_cluster:
            raise CommandError("--pool names a file; --namespace, --context and --kubeconfig a cluster", ExitCode.USAGE)
        if candidate_selector and not in_cluster:
            raise CommandError("--candidate-selector is for --namespace; leave it out", ExitCode.USAGE)
        file = None if in_cluster else _found(pool)
        return function(home=Home(file, namespace, candidate_selector, context, kubeconfig), **given)

    add = together(
        _POOL_OPTION,
        option(
            "-n",
            "--namespace",
            default="",
            metavar="NAME",
            section=_SECTION,
            help="the namespace with the Candidate resources, instead of a file; default: the context's",
        ),
        option(
            "--candidate-selector",
            default="",
            metavar="LABELS",
            section=_SECTION,
            help="label selector of the resources; default: all",
        ),
        option("--context", default="", metavar="NAME", section=_SECTION, help="context of the kubeconfig"),
        option("--kubeconfig", type=Path, section=_SECTION, help="default: $KUBECONFIG"),
    )
    return add(with_home)


def _found(pool: Path | None) -> Path:
    if path := pool or usual_pool():
        return path
    raise CommandError(
        f"there is no ./pool.yaml; name the pool file with --pool or ${POOL_VARIABLE}, or write one with "
        "`lightrouter pool init URL`",
        ExitCode.USAGE,
    )


def read_file(path: Path) -> tuple[str, Pool]:
    """Returns the text of a pool file and its pool.

    Raises:
        CommandError: The file cannot be used.
    """
    from lightrouter.pool import file
    from lightrouter.pool.file import PoolFileError

    try:
        data = file.read(path)
        # The parser says in words what is wrong with bytes that are no text.
        pool = file.parse(data, path)
    except PoolFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return data.decode(), pool


@asynccontextmanager
async def store_of(home: Home, judge: str | None = None) -> AsyncIterator[Store]:
    """Yields the store of a pool, and says which cluster it is in; its failures become CommandError."""
    from lightrouter.pool.file import PoolFileError
    from lightrouter.pool.filestore import FileStore
    from lightrouter.pool.store import NoClusterError, StoreError

    try:
        if home.file:
            yield FileStore(home.file)
            return
        # Imported here because the client takes a second to load, which a pool file does not need.
        from lightrouter.cli.text import log
        from lightrouter.pool.cluster import ClusterApi, connect
        from lightrouter.pool.clusterstore import ClusterStore

        # The client logs what its exceptions say.
        logging.getLogger("kubernetes_asyncio").addHandler(logging.NullHandler())
        cluster = await connect(home.kubeconfig, home.context)
        async with cluster.client as client:
            namespace = home.namespace or cluster.namespace
            log(f"cluster: {cluster.name} ({client.configuration.host}), namespace {namespace}")
            yield ClusterStore(ClusterApi(client, namespace, home.selector), judge=judge)
    except (PoolFileError, NoClusterError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except StoreError as error:
        raise CommandError(str(error)) from None
