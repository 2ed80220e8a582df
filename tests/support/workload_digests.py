"""A hash of everything that a workload makes happen."""

from collections.abc import Iterable
from hashlib import blake2b

from wavetank.scenarios import Workload

__all__ = ["digest_of"]


def digest_of(workloads: Iterable[Workload]) -> str:
    """Return one hash for all workloads of a scenario with one seed."""
    digest = blake2b(digest_size=8)
    for each in workloads:
        told = (
            *(each.name, each.seed, each.summary, each.unusual, each.steps, each.options),
            *(str(each.faults), each.after_failure, each.directory, each.crashes_from),
            *(each.tasks, each.after, each.slow_calls, each.cluster),
        )
        digest.update(repr(told).encode())
    return digest.hexdigest()
