"""A hash of everything that a workload makes happen."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import cast

import attrs

from wavetank.scenarios import Workload

__all__ = ["digest_of"]


def digest_of(workloads: Iterable[Workload]) -> str:
    """Return one hash for all workloads of a scenario with one seed.

    What a value has by default is left out, so that a new attribute changes no hash.
    """
    digest = blake2b(digest_size=8)
    for each in workloads:
        digest.update(repr(_told(each)).encode())
    return digest.hexdigest()


def _told(value: object) -> object:
    if isinstance(value, tuple):
        return [_told(each) for each in value]
    if not attrs.has(type(value)):
        return value
    given = {
        field.name: _told(getattr(value, field.name))
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
        if field.init and getattr(value, field.name) != field.default
    }
    return type(value).__name__, sorted(given.items())
