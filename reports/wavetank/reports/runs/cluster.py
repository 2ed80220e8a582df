"""Workers on other machines: a dask cluster that shares are sent to.

The cluster starts a share again whose worker is lost, on another worker; it gives a share up whose
workers are lost again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from wavetank.reports.runs.code_identity import code_identity
from wavetank.scenarios import Workers

__all__ = ["Cluster", "ClusterError", "dask_cluster", "scheduler_address"]

_ADDRESS: Final = re.compile(r"dask://(?P<host>[^/:@]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})/?")
_LAST_PORT: Final = 65535
_ANSWER_WITHIN_S: Final = 10.0
_AT_ONCE: Final = 2


class ClusterError(Exception):
    """A cluster cannot be used; the message says what was expected, what came, and what to do."""


@frozen(kw_only=True)
class Cluster:
    """A cluster whose workers run shares.

    Attributes:
        workers: where shares are submitted.
        threads: how many shares run at the same time.
    """

    workers: Workers
    threads: int


def scheduler_address(url: str) -> str:
    """Return where the scheduler of a cluster listens, as dask writes it.

    Args:
        url: as the option ``--executor`` has it.

    Raises:
        ClusterError: it is no such URL.

    >>> scheduler_address("dask://10.0.0.7:8786")
    'tcp://10.0.0.7:8786'
    """
    match = _ADDRESS.fullmatch(url)
    if match is None or not 0 < int(match["port"]) <= _LAST_PORT:
        raise ClusterError(f"expected dask://HOST:PORT, the scheduler's address, got {url!r}")
    return f"tcp://{match['host']}:{match['port']}"


@contextmanager
def dask_cluster(url: str, stores: tuple[str, ...]) -> Iterator[Cluster]:
    """Give the workers of a dask cluster, all of which run the code that runs here.

    Args:
        url: of its scheduler, ``dask://HOST:PORT``.
        stores: names of those that will be run.

    Raises:
        ClusterError: the URL is none, dask is not installed, nobody answers there, there are no
            workers, or they have other code.
    """
    address = scheduler_address(url)
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ClusterError(
            "expected the package distributed for dask://, which is not installed: "
            "python -m pip install 'wavetank[dask]'"
        ) from error
    try:
        client = Client(address, timeout=_ANSWER_WITHIN_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"expected a dask scheduler at {address}, but nobody answered: {error}; start one with "
            "`dask scheduler`, and workers with `dask worker`"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterError(
                f"expected workers at {address}, got a scheduler without any; start them with "
                f"`dask worker {address} --nthreads 1`"
            )
        _require_same_code(client.run(code_identity, *stores, on_error="return"), stores)
        yield Cluster(
            workers=Workers(
                executor=client.get_executor(), at_once=_AT_ONCE * threads, lost=(KilledWorker,)
            ),
            threads=threads,
        )


def _require_same_code(found: dict[str, object], stores: tuple[str, ...]) -> None:
    here = code_identity(*stores)
    for worker, identity in found.items():
        if identity != here:
            raise ClusterError(
                f"expected the code that runs here, {here}, on all workers, got "
                f"{identity} on {worker}; install the same wavetank and store there"
            )
