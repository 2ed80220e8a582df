"""Values of ``--profile``: names of profiles that ship, and files with profiles of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from wavetank.reports.arguments.choices import choose
from wavetank.reports.arguments.own_files import is_own_file, read_own_file
from wavetank.sim import PROFILES, Profile, ProfileFileError, profile_from_toml

__all__ = ["ChosenProfile", "choose_profiles", "read_profile"]

_ALL: Final = "all"
_BYTES_AT_MOST: Final = 1 << 16


@frozen
class ChosenProfile:
    """A profile that was asked for.

    Attributes:
        profile: the profile.
        file: the file that it stands in; "" if it ships under its name.
    """

    profile: Profile
    file: str = ""


def choose_profiles(
    values: Iterable[str], *, everything: Sequence[Profile]
) -> tuple[ChosenProfile, ...]:
    """Return the profiles that were asked for, each once, in the order asked for.

    Args:
        values: names, files, or the word ``all``.
        everything: the profiles that this word stands for.

    Raises:
        UnknownChoiceError: a name does not exist.
        ProfileFileError: a file holds no profile, or one whose name another file gives to another.
    """
    shipped = {profile.name: profile for profile in PROFILES}
    chosen: dict[str, ChosenProfile] = {}
    for value in values:
        if is_own_file(value):
            profile = read_profile(value)
            known = chosen.setdefault(profile.name, ChosenProfile(profile, value))
            if known.profile != profile:
                expected = f"expected another name than in {known.file}, got {profile.name!r}"
                message = f"{value}: profile.name: {expected}"
                raise ProfileFileError(message, file=value, key="profile.name")
            continue
        named = everything if value == _ALL else [shipped[choose("profile", value, shipped)]]
        for profile in named:
            chosen.setdefault(profile.name, ChosenProfile(profile))
    return tuple(chosen.values())


def read_profile(path: str) -> Profile:
    """Return the profile in a file.

    Raises:
        ProfileFileError: the file cannot be read, or is no profile.
    """
    text = read_own_file(
        path, lambda message: ProfileFileError(message, file=path), bytes_at_most=_BYTES_AT_MOST
    )
    return profile_from_toml(text, file=path)
