"""A real filesystem of a few blocks: a tmpfs, mounted for as long as a test needs it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["small_tmpfs"]


@contextmanager
def small_tmpfs(directory: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs with room for so many bytes of content; skip the test where that is refused."""
    options = f"size={size_bytes},mode=0700"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"a tmpfs may not be mounted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        # Lazily: it goes even where a failed test has left a file open.
        subprocess.run(["umount", "--lazy", directory], check=True)
