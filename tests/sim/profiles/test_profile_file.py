"""Profiles of one's own: what a file may say, and what an error tells."""

import pickle
import re
from pathlib import Path
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.sim import (
    EXT4,
    POSIX,
    PROFILES,
    DirentCover,
    Profile,
    ProfileFileError,
    profile_from_table,
    profile_from_toml,
    profile_table,
)

PAPER: Final = Path(__file__).parents[3] / "docs" / "disk-model.md"
PROMISES: Final = [field for field in attrs.fields(Profile) if field.default is not attrs.NOTHING]

promises = st.fixed_dictionaries(
    {},
    optional={
        field.name: st.booleans()
        if isinstance(field.default, bool)
        else st.sampled_from(DirentCover)
        for field in PROMISES
    },
)


def toml(table: dict[str, object]) -> str:
    return "\n".join(["[profile]", *(f"{key} = {word(value)}" for key, value in table.items())])


def word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value.value if isinstance(value, DirentCover) else value)


def test_a_name_alone_promises_what_posix_does_and_is_a_control() -> None:
    profile = profile_from_toml('[profile]\nname = "mine"')
    assert profile == attrs.evolve(
        POSIX, name="mine", summary="a profile of one's own", control=True
    )


@given(told=promises, base=st.sampled_from(PROFILES))
def test_a_file_says_what_differs_from_the_profile_that_it_extends(
    told: dict[str, bool | DirentCover], base: Profile
) -> None:
    text = toml({"name": "mine", "summary": "a disk", "extends": base.name, **told})
    expected = attrs.evolve(base, name="mine", summary="a disk", control=True)
    assert profile_from_toml(text) == attrs.evolve(expected, **told)  # type: ignore[arg-type]  # drawn by field


@given(told=promises)
def test_a_profile_comes_back_from_its_table(told: dict[str, bool | DirentCover]) -> None:
    profile = Profile(name="mine", summary="a disk", **told)  # type: ignore[arg-type]  # drawn by field
    assert profile_from_table(profile_table(profile), file="f", path="p") == profile


def test_the_example_of_the_paper_is_a_profile() -> None:
    section = PAPER.read_text(encoding="utf-8").partition("## A profile of one's own")[2]
    example = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert example is not None
    assert profile_from_toml(example[1]) == attrs.evolve(
        EXT4,
        name="ext4-split-renames",
        summary="ext4 on a translation layer that tears renames apart",
        rename_atomic=False,
        fsync_file_covers=DirentCover.OWN,
        control=True,
    )


KEYS: Final = ", ".join(["name", "summary", "extends", *(field.name for field in PROMISES)])
NAMES: Final = ", ".join(profile.name for profile in PROFILES)
A_NAME: Final = "a name of letters, digits, - and _"
ANOTHER_NAME: Final = f"another name than {NAMES}, all"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[profil]", "profil", "one table, profile, got 'profil'; nearest match: profile"),
        ("", "profile", "a table, got none"),
        ("profile = 3", "profile", "a table, got 3 (int)"),
        ("[profile]", "profile.name", "a name, got none"),
        *(
            (f"[profile]\nname = {name!r}", "profile.name", f"{A_NAME}, got {name!r} ({kind})")
            for name, kind in ((3, "int"), ("a/b", "str"), ("", "str"))
        ),
        *(
            (f"[profile]\nname = {name!r}", "profile.name", f"{ANOTHER_NAME}, got {name!r}")
            for name in ("ext4", "ext4-ordered", "all")
        ),
    ],
)
def test_an_error_in_the_frame_tells_file_key_expectation_and_what_came(
    text: str, key: str, message: str
) -> None:
    with pytest.raises(ProfileFileError) as raised:
        profile_from_toml(text, file="mine.toml")
    assert str(raised.value) == f"mine.toml: {key}: expected {message}"
    assert (raised.value.file, raised.value.key) == ("mine.toml", key)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("summary", "' '", "a line of text, got ' ' (str)"),
        ("extends", "4", "the name of a profile, got 4 (int)"),
        ("extends", "'posiks'", f"one of {NAMES}, got 'posiks'; nearest match: posix"),
        ("extends", "'./qq'", f"one of {NAMES}, got './qq'"),
        ("control_", "true", f"one of the keys {KEYS}, got 'control_'; nearest match: control"),
        (
            "truncate_forgets",
            "true",
            f"one of the keys {KEYS}, got 'truncate_forgets', now called truncate_discards",
        ),
        (
            "dirents_at_once",
            "true",
            f"one of the keys {KEYS}, got 'dirents_at_once', now called synchronous_dirents",
        ),
        ("rename_atomic", "1", "true or false, got 1 (int)"),
        ("control", "'yes'", "true or false, got 'yes' (str)"),
        ("fsync_dir_covers", "'al'", "one of all, own, none, got 'al'; nearest match: all"),
        ("fsync_dir_covers", "true", "one of all, own, none, got True (bool)"),
    ],
)
def test_an_error_in_a_key_tells_file_key_expectation_and_what_came(
    key: str, value: str, message: str
) -> None:
    with pytest.raises(ProfileFileError) as raised:
        profile_from_toml(f"[profile]\nname = 'mine'\n{key} = {value}", file="mine.toml")
    assert str(raised.value) == f"mine.toml: profile.{key}: expected {message}"
    assert (raised.value.file, raised.value.key) == ("mine.toml", f"profile.{key}")


@pytest.mark.parametrize("text", ["[profile", "profile = " + "[" * 30_000, "profile = \ud800"])
def test_what_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(ProfileFileError, match=r"^mine\.toml: expected TOML, got ") as raised:
        profile_from_toml(text, file="mine.toml")
    assert (raised.value.file, raised.value.key) == ("mine.toml", "")


def test_an_error_travels_between_processes() -> None:
    error = ProfileFileError("f: k: expected x, got y", file="f", key="k")
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.file, twin.key) == (str(error), "f", "k")
