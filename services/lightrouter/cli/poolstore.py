"""The store of the pool for `lightrouter pool`: a pool file, or the Candidate resources of a namespace."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.pool import file
from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import Pool
from lightrouter.pool.store import Store, StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name the pool."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--pool", type=Path, metavar="FILE", help="the pool file; the states are beside it")
    where.add_argument("--namespace", metavar="NAME", help="the namespace with the Candidate resources")
    parser.add_argument(
        "--candidate-selector", default="", metavar="LABELS", help="label selector of the resources; default: all"
    )


def read_file(path: Path) -> tuple[str, Pool]:
    """Returns the text of a pool file and its pool.

    Raises:
        CommandError: The file cannot be used.
    """
    try:
        data = file.read(path)
        # The parser says in words what is wrong with bytes that are no text.
        pool = file.parse(data, path)
    except PoolFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return data.decode(), pool


@asynccontextmanager
async def store_of(arguments: argparse.Namespace, judge: str | None = None) -> AsyncIterator[Store]:
    """Yields the store that the arguments name; its failures become CommandError."""
    if arguments.pool and arguments.candidate_selector:
        raise CommandError("--candidate-selector is for --namespace; leave it out", ExitCode.USAGE)
    try:
        if arguments.pool:
            yield FileStore(arguments.pool)
            return
        # Imported here because the client takes a second to load, which a pool file does not need.
        from lightrouter.pool.cluster import ClusterApi, connect

        async with await connect() as client:
            yield ClusterStore(ClusterApi(client, arguments.namespace, arguments.candidate_selector), judge=judge)
    except PoolFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except StoreError as error:
        raise CommandError(str(error)) from None
