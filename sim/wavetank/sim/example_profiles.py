"""Profiles that ship as files of the form in which one writes one's own.

They describe particular machines and mounts. `--profile all` leaves them out.

Left out: the profiles with names of their own (profiles.py), and what such a file may say
(profile_file.py).
"""

from __future__ import annotations

from importlib import resources
from typing import Final

from wavetank.sim.profile import Profile
from wavetank.sim.profile_file import profile_from_toml

__all__ = ["EXAMPLE_PROFILES", "example_profile"]

EXAMPLE_PROFILES: Final = ("ext4-dioread-nolock",)
"""Their names; each stands in ``data/profiles`` under its own."""


def example_profile(name: str) -> Profile:
    """Return an example.

    Args:
        name: one of `EXAMPLE_PROFILES`.

    Raises:
        KeyError: there is none of that name.

    >>> example_profile("ext4-dioread-nolock").appends_atomic
    False
    """
    if name not in EXAMPLE_PROFILES:
        raise KeyError(f"name: expected one of {', '.join(EXAMPLE_PROFILES)}, got {name!r}")
    file = f"{name}.toml"
    text = (resources.files("wavetank.sim") / "data" / "profiles" / file).read_text("utf-8")
    return profile_from_toml(text, file=file)
