"""Checksums: crc32c with a seed that is never zero, and the ids of log incarnations.

With a zero start value the checksum of zeros is zero, and an all-zero block would pass for a frame.
Mixing the incarnation into the seed makes the same bytes fail in every other incarnation: for equal
bytes, crc32c tells two seeds apart without exception. Left out: protection against forgery.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from google_crc32c import extend

__all__ = ["ALGORITHM_CRC32C", "SEED", "checksum", "next_incarnation", "seed_for"]

SEED: Final = 0x57617665
ALGORITHM_CRC32C: Final = 1


def checksum(content: bytes, seed: int = SEED) -> int:
    """Return the crc32c of `content`, continued from `seed`."""
    return int(extend(seed, content))


def seed_for(*numbers: int) -> int:
    """Return the seed that ties content to these 64-bit numbers."""
    return checksum(b"".join(number.to_bytes(8, "little") for number in numbers)) or SEED


def next_incarnation(incarnation: int, last_checksum: int, base_index: int, base_term: int) -> int:
    """Derive the id of the log that replaces another one.

    It depends on nothing but the old log and the new base, so that a rewrite which a crash cut
    short comes out the same when it is done again.
    """
    parts = (incarnation, last_checksum, base_index, base_term)
    digest = blake2b(b"".join(part.to_bytes(8, "little") for part in parts), digest_size=8)
    return int.from_bytes(digest.digest(), "little")
