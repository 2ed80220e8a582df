"""Small programs whose states were worked out on paper from the rules of docs/disk-model.md.

Each case gives, for some profiles, every state that a crash may leave: ``f=a g=b after ok``.
"""

import pytest
from attrs import frozen
from litmus_words import litmus

from wavetank.sim import PROFILES, possible_states

NONE = "no file"
JOURNALS = "sequential ext3-ordered"
EXTENTS = "ext4-ordered ext4-observed xfs"


@frozen(kw_only=True)
class Case:
    """A program, and its states by the names of profiles."""

    name: str
    setup: str = ""
    program: str
    states: dict[str, set[str]]


CASES = [
    Case(
        name="overwrite through one of two names",
        setup="create f i1; append i1 a",
        program="link f g; overwrite i1 0 b",
        states={
            "sequential": {"f=a", "f=a g=a", "f=b g=b"},
            # The overwrite comes before *later* names only.
            f"ext3-ordered writeback {EXTENTS} btrfs posix alice ext4": {
                "f=a", "f=a g=a", "f=b", "f=b g=b",
            },
        },
    ),
    Case(
        name="a link after an overwrite",
        setup="create f i1; append i1 a",
        program="overwrite i1 0 b; link f g",
        states={
            JOURNALS: {"f=a", "f=b", "f=b g=b"},
            f"writeback {EXTENTS} btrfs posix alice ext4": {"f=a", "f=b", "f=a g=a", "f=b g=b"},
        },
    ),
    Case(
        name="link and unlink are no rename",
        setup="create f i1; append i1 a",
        program="link f g; unlink f; mark ok; fsync i1; mark synced",
        states={
            f"{JOURNALS} writeback {EXTENTS} ext4": {
                "f=a", "f=a g=a", "g=a",
                "f=a after ok", "f=a g=a after ok", "g=a after ok",
                "g=a after ok, synced",
            },
            # An fsync covers the names of its own inode, the lost one too.
            "btrfs": {
                "f=a", "f=a g=a", "g=a", NONE,
                "f=a after ok", "f=a g=a after ok", "g=a after ok", f"{NONE} after ok",
                "g=a after ok, synced",
            },
            "posix alice": {
                "f=a", "f=a g=a", "g=a", NONE,
                "f=a after ok", "f=a g=a after ok", "g=a after ok", f"{NONE} after ok",
                "f=a after ok, synced", "f=a g=a after ok, synced",
                "g=a after ok, synced", f"{NONE} after ok, synced",
            },
        },
    ),
    Case(
        name="append to a file that was unlinked while open",
        setup="create f i1; append i1 a",
        program="unlink f; append i1 b; fsync i1; mark ok",
        states={
            # The size comes after the name, so that the longer file is never seen.
            f"{JOURNALS} writeback": {"f=a", NONE, f"{NONE} after ok"},
            f"{EXTENTS} btrfs": {"f=a", NONE, "f=ab", f"{NONE} after ok"},
            "ext4": {"f=a", NONE, "f=ab", "f=a?", f"{NONE} after ok"},
            "posix alice": {
                "f=a", NONE, "f=ab", "f=a?", "f=ab after ok", f"{NONE} after ok",
            },
        },
    ),
    Case(
        name="truncate, then append over what was cut off",
        setup="create f i1; append i1 a; append i1 b; append i1 c",
        program="truncate i1 1; append i1 X; append i1 Y",
        states={
            f"{JOURNALS} {EXTENTS} btrfs": {"f=abc", "f=a", "f=aX", "f=aXY"},
            "writeback posix alice": {
                "f=abc", "f=aXc", "f=abY", "f=aXY", "f=a", "f=ab", "f=aX",
            },
            # Once the truncation is there, the old blocks are another file's.
            "ext4": {
                "f=abc", "f=aXc", "f=abY", "f=aXY", "f=a", "f=ab", "f=aX",
                "f=a?", "f=a??", "f=a?Y", "f=aX?",
            },
        },
    ),
    Case(
        name="truncate both ways shows what was last kept",
        setup="create f i1; append i1 a; append i1 b",
        program="truncate i1 1; truncate i1 3; fsync i1; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix alice": {
                "f=ab", "f=a", "f=ab?", "f=ab? after ok",
            },
            "ext4": {
                "f=ab", "f=a", "f=ab?", "f=a??", "f=ab? after ok", "f=a?? after ok",
            },
        },
    ),
    Case(
        name="a write beyond the end leaves blocks that were never written",
        setup="create f i1; append i1 a",
        program="overwrite i1 2 z",
        states={
            f"{JOURNALS} {EXTENTS} btrfs": {"f=a", "f=a?z"},
            "writeback posix alice ext4": {"f=a", "f=a??", "f=a?z"},
        },
    ),
    Case(
        name="an overwrite of a block that is not yet there",
        setup="create f i1",
        program="append i1 x; overwrite i1 0 y; fsync i1; mark ok",
        states={
            f"{JOURNALS} {EXTENTS} btrfs": {"f=", "f=x", "f=y", "f=y after ok"},
            "writeback posix alice ext4": {"f=", "f=?", "f=x", "f=y", "f=y after ok"},
        },
    ),
    Case(
        name="an overwrite, then the block is cut off",
        setup="create f i1; append i1 a; append i1 b",
        program="overwrite i1 1 X; truncate i1 1",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix alice ext4": {"f=ab", "f=aX", "f=a"},
        },
    ),
    Case(
        name="an overwrite, then another file grows",
        setup="create f i1; append i1 a; create g i2",
        program="overwrite i1 0 b; append i2 x",
        states={
            JOURNALS: {"f=a g=", "f=b g=", "f=b g=x"},
            f"{EXTENTS} btrfs": {"f=a g=", "f=b g=", "f=b g=x", "f=a g=x"},
            "writeback posix alice ext4": {
                "f=a g=", "f=b g=", "f=b g=x", "f=a g=x", "f=a g=?", "f=b g=?",
            },
        },
    ),
    Case(
        name="two appends and two fsyncs",
        setup="create f i1; append i1 a; create g i2; append i2 b",
        program="append i1 x; append i2 y; fsync i1; fsync i2; mark ok",
        states={
            JOURNALS: {"f=a g=b", "f=ax g=b", "f=ax g=by", "f=ax g=by after ok"},
            f"{EXTENTS} btrfs": {
                "f=a g=b", "f=ax g=b", "f=a g=by", "f=ax g=by", "f=ax g=by after ok",
            },
            "writeback": {
                "f=a g=b", "f=a? g=b", "f=ax g=b",
                "f=a? g=b?", "f=ax g=b?", "f=a? g=by", "f=ax g=by",
                "f=ax g=by after ok",
            },
            "posix alice ext4": {
                "f=a g=b", "f=a? g=b", "f=ax g=b",
                "f=a g=b?", "f=a? g=b?", "f=ax g=b?",
                "f=a g=by", "f=a? g=by", "f=ax g=by",
                "f=ax g=by after ok",
            },
        },
    ),
    Case(
        name="an fsync covers all earlier sizes, and not their data",
        setup="create f i1; create g i2",
        program="append i1 x; append i2 y; fsync i2; mark ok",
        states={
            "writeback": {
                "f= g=", "f=? g=", "f=x g=", "f=? g=?", "f=x g=?", "f=? g=y", "f=x g=y",
                "f=? g=y after ok", "f=x g=y after ok",
            },
            "posix alice ext4": {
                "f= g=", "f=? g=", "f=x g=", "f= g=?", "f=? g=?", "f=x g=?",
                "f= g=y", "f=? g=y", "f=x g=y",
                "f= g=y after ok", "f=? g=y after ok", "f=x g=y after ok",
            },
            "sequential ext3-ordered": {"f= g=", "f=x g=", "f=x g=y", "f=x g=y after ok"},
            f"{EXTENTS} btrfs": {
                "f= g=", "f=x g=", "f= g=y", "f=x g=y", "f= g=y after ok", "f=x g=y after ok",
            },
        },
    ),
    Case(
        name="rename onto itself does nothing",
        setup="create f i1; append i1 a; link f g",
        program="rename f f; rename f g; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix alice ext4": {
                "f=a g=a", "f=a g=a after ok",
            },
        },
    ),
    Case(
        name="rename over a file after an overwrite of the source",
        setup="create f i1; append i1 o; create t i2; append i2 1",
        program="overwrite i2 0 2; rename t f",
        states={
            f"{JOURNALS} ext4-ordered btrfs": {"f=o t=1", "f=o t=2", "f=2"},
            "ext4-observed xfs writeback ext4 posix": {"f=o t=1", "f=o t=2", "f=2", "f=1"},
            "alice": {
                "f=o t=1", "f=o t=2", "f=o", "t=1", "t=2", NONE,
                "f=1 t=1", "f=2 t=2", "f=1", "f=2",
            },
        },
    ),
    Case(
        name="rename over a file that is open, and write to the old one",
        setup="create f i1; append i1 o; create t i2; append i2 n",
        program="rename t f; append i1 Z",
        states={
            f"{JOURNALS} writeback": {"f=o t=n", "f=n"},
            f"{EXTENTS} btrfs": {"f=o t=n", "f=n", "f=oZ t=n"},
            "ext4 posix": {"f=o t=n", "f=n", "f=oZ t=n", "f=o? t=n"},
        },
    ),
    Case(
        name="rename, and fsync of the file that moved",
        setup="create f i1; append i1 o",
        program="create t i2; append i2 n; fsync i2; rename t f; fsync i2; mark ok",
        states={
            f"{JOURNALS} {EXTENTS}": {
                "f=o", "f=o t=", "f=o t=n", "f=n", "f=n after ok",
            },
            "btrfs": {"f=o", "f=o t=", "f=o t=n", "f=n", "f=n after ok"},
            "ext4": {"f=o", "f=o t=", "f=o t=?", "f=o t=n", "f=n", "f=n after ok"},
            "posix": {
                "f=o", "f=o t=", "f=o t=?", "f=o t=n", "f=n",
                "f=o after ok", "f=o t=n after ok", "f=n after ok",
            },
        },
    ),
    Case(
        name="two renames over one name",
        setup="create f i1; append i1 0; create t i2; append i2 1; create u i3; append i3 2",
        program="rename t f; rename u f; fsyncdir .; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix ext4": {
                "f=0 t=1 u=2", "f=1 u=2", "f=2", "f=2 after ok",
            },
        },
    ),
    Case(
        name="two names change places",
        setup="create f i1; append i1 a; create g i2; append i2 b",
        program="exchange f g; fsyncdir .; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix ext4": {
                "f=a g=b", "f=b g=a", "f=b g=a after ok",
            },
            "alice": {"f=a g=b", "f=b g=b", "f=a g=a", "f=b g=a", "f=b g=a after ok"},
        },
    ),
    Case(
        name="rename between directories, and fsync of the one it came to",
        setup="create D/a i1; append i1 x",
        program="rename D/a E/a; fsyncdir E; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} btrfs posix ext4": {
                "D/a=x", "E/a=x", "E/a=x after ok",
            },
            "alice": {
                "D/a=x", "D/a=x E/a=x", NONE, "E/a=x", "E/a=x after ok", "D/a=x E/a=x after ok",
            },
        },
    ),
    Case(
        name="a directory is renamed, and a file made in it",
        setup="create D/a i1; append i1 x",
        program="rename D E; create E/b i2; fsyncdir E; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} ext4": {
                "D/a=x", "E/a=x", "E/a=x E/b=", "E/a=x E/b= after ok",
            },
            "btrfs posix": {
                "D/a=x", "E/a=x", "D/a=x D/b=", "E/a=x E/b=",
                "D/a=x D/b= after ok", "E/a=x E/b= after ok",
            },
            "alice": {
                "D/a=x", "D/a=x D/b=", "E/a=x", "E/a=x E/b=", NONE,
                "D/a=x E/a=x", "D/a=x D/b= E/a=x E/b=",
                "D/a=x D/b= after ok", "E/a=x E/b= after ok", f"{NONE} after ok",
                "D/a=x D/b= E/a=x E/b= after ok",
            },
        },
    ),
    Case(
        name="a new directory whose own name is not synced",
        program="mkdir D; create D/a i1; append i1 x; fsync i1; fsyncdir D; mark ok",
        states={
            f"{JOURNALS} {EXTENTS}": {NONE, "D/a=", "D/a=x", "D/a=x after ok"},
            "writeback ext4": {NONE, "D/a=", "D/a=?", "D/a=x", "D/a=x after ok"},
            "btrfs": {NONE, "D/a=", "D/a=x", f"{NONE} after ok", "D/a=x after ok"},
            "posix alice": {
                NONE, "D/a=", "D/a=?", "D/a=x", f"{NONE} after ok", "D/a=x after ok",
            },
        },
    ),
    Case(
        name="a directory is emptied and removed",
        setup="create D/a i1",
        program="rename D/a a; rmdir D; fsyncdir .; mark ok",
        states={
            f"{JOURNALS} writeback {EXTENTS} ext4": {"D/a=", "a=", "a= after ok"},
            # The removal of the directory may come first, with what was in it.
            "btrfs posix": {"D/a=", "a=", NONE, "a= after ok"},
            "alice": {"D/a=", "D/a= a=", "a=", NONE, "a= after ok"},
        },
    ),
    Case(
        name="fdatasync covers no name, but what had to come before",
        program="create f i1; append i1 a; fdatasync i1; mark ok",
        states={
            JOURNALS: {NONE, "f=", "f=a", "f=a after ok"},
            "writeback": {NONE, "f=", "f=?", "f=a", "f=a after ok"},
            f"{EXTENTS} btrfs": {NONE, "f=", "f=a", f"{NONE} after ok", "f=a after ok"},
            "posix alice ext4": {NONE, "f=", "f=?", "f=a", f"{NONE} after ok", "f=a after ok"},
        },
    ),
    Case(
        name="sync covers everything",
        program="create f i1; append i1 a; sync; mark ok",
        states={
            f"{JOURNALS} {EXTENTS} btrfs": {NONE, "f=", "f=a", "f=a after ok"},
            "writeback posix alice ext4": {NONE, "f=", "f=?", "f=a", "f=a after ok"},
        },
    ),
    Case(
        name="a name is given back, and taken again",
        setup="create f i1; append i1 a",
        program="unlink f; create f i2; append i2 b",
        states={
            f"{JOURNALS} {EXTENTS} btrfs": {"f=a", NONE, "f=", "f=b"},
            "writeback posix alice ext4": {"f=a", NONE, "f=", "f=?", "f=b"},
        },
    ),
    Case(
        name="a file is replaced by one that was never synced",
        setup="create f i1; append i1 o",
        program="create t i2; append i2 n; append i2 m; rename t f",
        states={
            "ext4-ordered": {"f=o", "f=o t=", "f=o t=n", "f=o t=nm", "f=nm"},
            # Neither its sizes nor the rename wait for its data.
            "ext4": {
                "f=o", "f=o t=", "f=o t=?", "f=o t=n", "f=o t=??", "f=o t=n?", "f=o t=?m",
                "f=o t=nm", "f=", "f=?", "f=n", "f=??", "f=n?", "f=?m", "f=nm",
            },
        },
    ),
    Case(
        name="a vote is written again in place",
        setup="create f i1; append i1 o",
        program="truncate i1 0; append i1 n; fsync i1; mark ok",
        states={
            "ext4-ordered": {"f=o", "f=", "f=n", "f=n after ok"},
            "ext4": {"f=o", "f=", "f=?", "f=n", "f=n after ok"},
        },
    ),
    Case(
        name="a killed process loses nothing",
        program="create f i1; append i1 a; mark ok; unlink f",
        states={"process-kill": {NONE, "f=", "f=a", "f=a after ok", f"{NONE} after ok"}},
    ),
    Case(
        name="lazyfs keeps names and loses what was not synced",
        program="create f i1; append i1 a; fsync i1; append i1 b; mark ok; rename f g",
        states={"lazyfs": {NONE, "f=", "f=a", "f=a after ok", "g=a after ok"}},
    ),
    Case(
        name="a lying fsync still comes before what follows",
        program="create f i1; append i1 a; fsync i1; create g i2",
        states={"lying-fsync": {NONE, "f=", "f=?", "f=a", "g=", "f=a g="}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "profile"),
    [(case, name) for case in CASES for names in case.states for name in names.split()],
    ids=lambda value: value.name if isinstance(value, Case) else value,
)
def test_the_disk_leaves_exactly_the_states_on_paper(case: Case, profile: str) -> None:
    (expected,) = (states for names, states in case.states.items() if profile in names.split())
    (chosen,) = (each for each in PROFILES if each.name == profile)
    found = possible_states(litmus(case.program, setup=case.setup), chosen)
    assert {str(state) for state in found} == expected
