"""Chance that is the same in each run: numbers from named streams.

A number depends on the seed, the name and its place in the stream alone, so that one more fault
moves no other. Left out: what it decides.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

__all__ = ["draw"]

_BYTES: Final = 8


def draw(seed: int, stream: str, place: int) -> float:
    """Return the number at `place` of a stream: at least 0 and less than 1."""
    digest = sha256(f"{seed}/{place}/{stream}".encode()).digest()
    return int.from_bytes(digest[:_BYTES]) / 256**_BYTES
