"""Planted patches: each is complete and fits the engine, and one that does not is told."""

from pathlib import Path

import pytest
from attrs import evolve

import wavetank.engine
from wavetank.scenarios.mutants import (
    BUGS,
    PATCHES,
    RACES,
    PatchError,
    PlantedPatch,
    write_patched_engine,
)

ENGINE = Path(wavetank.engine.__file__).parent
STATE = "engine/wavetank/engine/state.py"


def changed(patch: PlantedPatch, directory: Path) -> dict[str, tuple[int, int]]:
    """Plant a patch; return for each file that differs how many lines went and came."""
    write_patched_engine(patch, directory)
    copy = directory / "wavetank" / "engine"
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*.py")}
    assert names == {path.relative_to(ENGINE).as_posix() for path in ENGINE.rglob("*.py")}
    return {
        name: (len((ENGINE / name).read_text().split("\n")), len(new.split("\n")))
        for name in sorted(names)
        if (new := (copy / name).read_text()) != (ENGINE / name).read_text()
    }


@pytest.mark.parametrize("patch", PATCHES.values(), ids=lambda patch: patch.id)
def test_a_patch_fits_the_engine_and_changes_what_it_names(
    patch: PlantedPatch, tmp_path: Path
) -> None:
    prefix = "--- a/engine/wavetank/engine/"
    lines = patch.diff.splitlines()
    named = sorted(line.removeprefix(prefix) for line in lines if line.startswith("--- "))
    found = changed(patch, tmp_path)
    assert list(found) == named
    came = sum(line.startswith("+") for line in lines) - len(named)
    went = sum(line.startswith("-") for line in lines) - len(named)
    assert sum(after - before for before, after in found.values()) == came - went
    for name in found:
        path = tmp_path / "wavetank" / "engine" / name
        compile(path.read_text(), str(path), "exec")


def test_no_id_is_given_twice() -> None:
    assert not PATCHES.keys() & (BUGS.keys() | RACES.keys())
    numbers = range(1, len(PATCHES) + 1)
    assert list(PATCHES) == [f"B{number:02}" for number in numbers]


def test_every_header_is_filled_in() -> None:
    commands = {"run", "check", "damage", "sweep"}
    for patch in PATCHES.values():
        assert patch.command[0] in commands, patch.id
        assert patch.summary
        assert patch.cost
        assert all(patch.reports), patch.id
    assert len({patch.diff for patch in PATCHES.values()}) == len(PATCHES)
    assert len({patch.summary for patch in PATCHES.values()}) == len(PATCHES)


def test_the_table_of_patches_is_that_of_their_headers() -> None:
    page = (Path(__file__).parents[3] / "docs" / "zoo.md").read_text()
    table = page.partition("<!-- patches:")[2].partition("<!-- end of patches -->")[0]
    expected = [
        f"| {each.id} | {each.summary} | {each.cost} | `{each.command_line}` "
        f"| {', '.join(each.reports)} |"
        for each in PATCHES.values()
    ]
    assert table.splitlines()[3:] == expected


def patched(diff: str, directory: Path) -> None:
    write_patched_engine(evolve(PATCHES["B01"], id="B00", diff=diff), directory)


def test_a_hunk_that_does_not_fit_is_named(tmp_path: Path) -> None:
    diff = (
        f"--- a/{STATE}\n+++ b/{STATE}\n"
        "@@ -1,2 +1,1 @@\n-nothing of the kind\n from __future__ import annotations\n"
    )
    with pytest.raises(PatchError, match=rf"B00: hunk 1 does not fit {STATE}"):
        patched(diff, tmp_path)


def test_a_hunk_is_found_where_the_lines_before_it_have_moved(tmp_path: Path) -> None:
    diff = f"--- a/{STATE}\n+++ b/{STATE}\n@@ -400,1 +400,1 @@\n-class StateStore:\n+class Store:\n"
    patched(diff, tmp_path)
    assert "\nclass Store:\n" in (tmp_path / "wavetank" / "engine" / "state.py").read_text()


def test_a_file_outside_the_engine_is_refused(tmp_path: Path) -> None:
    diff = "--- a/sim/wavetank/sim/ops.py\n+++ b/sim/wavetank/sim/ops.py\n@@ -1,1 +1,1 @@\n-a\n+b\n"
    with pytest.raises(PatchError, match="B00: expected a file of engine/wavetank/engine but got"):
        patched(diff, tmp_path)
