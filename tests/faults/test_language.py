"""The fault language: every fault prints as a line that means it, and what is no fault is told."""

import pytest
from hypothesis import given

from wavetank.faults import (
    ByteRange,
    Chance,
    ClockJump,
    Crash,
    CrashEnd,
    Fail,
    Fault,
    FaultErrno,
    FaultPlan,
    FaultSyntaxError,
    FileTest,
    FillUp,
    FlipBit,
    Moment,
    OperationKind,
    Short,
    Shortened,
    TornShape,
    TornWrite,
    Unreadable,
    What,
    When,
    Where,
    Which,
    While,
    parse_fault,
    parse_plan,
)
from wavetank.faults.strategies import fault_plans, faults
from wavetank.sim import FsyncFailure

EIO = FaultErrno.EIO


@given(fault=faults())
def test_a_line_means_the_fault_that_printed_it(fault: Fault) -> None:
    assert parse_fault(str(fault)) == fault


@given(plan=fault_plans())
def test_a_text_means_the_plan_that_printed_it(plan: FaultPlan) -> None:
    assert parse_plan(str(plan)) == plan


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "fsync log.dat #3: fail EIO ext4",
            Fault(
                where=Where(kind=OperationKind.FSYNC, path="log.dat"),
                what=Fail(error=EIO, machine=FsyncFailure.EXT4),
                which=Which(first=3),
            ),
        ),
        (
            "write *.tmp #2: short 100 bytes",
            Fault(
                where=Where(kind=OperationKind.WRITE, path="*.tmp"),
                what=Short(100),
                which=Which(first=2),
            ),
        ),
        (
            "read snapshot.dat: flip bit 17 at 1000",
            Fault(
                where=Where(kind=OperationKind.READ, path="snapshot.dat"), what=FlipBit(17, 1000)
            ),
        ),
        (
            "any: fail ENOSPC from 65536 bytes written",
            Fault(where=Where(), what=FillUp(FaultErrno.ENOSPC, 65536)),
        ),
        (
            "write log.dat offset 4096..8192: fail EIO after 512 bytes 3 times",
            Fault(
                where=Where(kind=OperationKind.WRITE, path="log.dat", offset=ByteRange(4096, 8192)),
                what=Fail(error=EIO, when=When.PARTIAL, partial_bytes=512),
                which=Which(times=3),
            ),
        ),
        (
            "any: fail EROFS after effect from now on",
            Fault(
                where=Where(),
                what=Fail(error=FaultErrno.EROFS, when=When.AFTER),
                which=Which(times=None),
            ),
        ),
        (
            "rename state.json: crash before",
            Fault(
                where=Where(kind=OperationKind.RENAME, path="state.json"),
                what=Crash(CrashEnd.POWER_CUT, Moment.BEFORE),
            ),
        ),
        (
            "write log.dat offset 4096..8192: torn sectors 0,2",
            Fault(
                where=Where(kind=OperationKind.WRITE, path="log.dat", offset=ByteRange(4096, 8192)),
                what=TornWrite(TornShape.ONLY, (0, 2)),
            ),
        ),
        (
            "read log.dat in _recovery while metadata.json < 9 bytes #2: unreadable 0..512",
            Fault(
                where=Where(
                    kind=OperationKind.READ,
                    path="log.dat",
                    caller="_recovery",
                    condition=While("metadata.json", FileTest.LESS, 9),
                ),
                what=Unreadable(ByteRange(0, 512)),
                which=Which(first=2),
            ),
        ),
        (
            "any: emptied with probability 0.25 from disk",
            Fault(
                where=Where(),
                what=Shortened(0),
                which=Which(times=None, chance=Chance(0.25, "disk")),
            ),
        ),
        (
            "any: clock jumps -5 s 2 times",
            Fault(where=Where(), what=ClockJump(-5), which=Which(times=2)),
        ),
    ],
)
def test_what_a_line_says(line: str, fault: Fault) -> None:
    assert parse_fault(line) == fault
    assert str(fault) == line


def test_white_space_and_the_other_name_of_a_machine_are_free() -> None:
    assert (
        str(parse_fault("  fsync  log.dat#3 :fail EIO xfs ")) == "fsync log.dat #3: fail EIO ext4"
    )


def test_a_plan_passes_over_comments_and_empty_lines() -> None:
    text = "# a disk\n\nstat: fail EIO\n  # a full one\n  any: fail EDQUOT from 0 bytes written\n"
    assert str(parse_plan(text)) == "stat: fail EIO\nany: fail EDQUOT from 0 bytes written"
    assert parse_plan("") == FaultPlan()


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("fsnc log.dat: fail EIO", 1, "got 'fsnc'; nearest match: fsync"),
        ("", 1, "got the end"),
        (
            "fsync a b: fail EIO",
            9,
            "expected a path, 'offset', 'in', 'while', '#' or ':' but got 'b'",
        ),
        ("fsync log.dat ofset 1..2: fail EIO", 15, "got 'ofset'; nearest match: offset"),
        ("fsync log.dat fail EIO", 15, "got 'fail'"),
        ("fsync log.dat", 14, "got the end"),
        ("fsync #x: fail EIO", 8, "got 'x'"),
        ("fsync #0: fail EIO", 7, "'first' must be >= 1"),
        ("write offset 5..: short 1 bytes", 14, "expected bytes START..END"),
        ("write offset 5..2: short 1 bytes", 7, "expected an offset > 5 but got 2"),
        ("open offset 0..5: fail EIO", 6, "unless kind is read or write"),
        ("stat: fial EIO", 7, "got 'fial'; nearest match: fail"),
        ("stat: fail EOI", 12, "got 'EOI'; nearest match: EIO"),
        ("fsync: fail EIO ex4", 17, "got 'ex4'; nearest match: ext4"),
        ("fsync: fail ENOSPC ext4", 8, "expected none with ENOSPC"),
        ("write: fail EIO ext4", 8, "expected fsync or datasync"),
        ("read: fail EIO after 5 bytes", 7, "expected write"),
        ("write: fail EIO after all", 23, "expected 'effect'"),
        ("write: fail EIO after 0 bytes", 8, "expected bytes > 0"),
        ("open: short 5 bytes", 7, "expected read or write"),
        ("write: short 0 bytes", 8, "must be >= 1"),
        ("write: short 5", 15, "expected 'bytes' but got the end"),
        ("write: flip bit 1 at 5", 8, "expected read"),
        ("read: flip bit 3 at 5 from now on", 23, "expected the end of the line but got 'from'"),
        ("read offset 0..9: flip bit 3 at 5", 19, "expected no offset"),
        ("any: fail EIO from 5 bytes written", 6, "expected ENOSPC or EDQUOT"),
        ("any #3: fail ENOSPC from 3 bytes written", 5, "expected first=1"),
        ("stat: fail EIO 0 times", 7, "expected None or a number >= 1"),
        ("stat: fail EIO 3 bytes", 18, "expected 'times' but got 'bytes'"),
        ("write: torn sectors", 20, "expected sectors, such as 0,2"),
        ("write: torn sectors 2,1", 8, "expected sectors in order"),
        ("write: torn all 3", 17, "expected 'but' but got '3'"),
        ("write: torn frist 1 sectors", 13, "nearest match: first"),
        ("fsync: torn sectors 1", 8, "expected write"),
        ("write: lost 3", 14, "expected 'times'"),
        ("stat: misdirected to 5", 7, "expected read or write"),
        ("write: lie", 8, "expected fsync or datasync or fsync_dir"),
        ("write: crash while", 14, "expected when (before, inside, after)"),
        ("write: kill before then power", 30, "expected 'cut' but got the end"),
        ("write: crash before then power cut", 21, "got 'then'"),
        ("write: stall 0 ms", 8, "must be >= 1"),
        ("write: stall 5 s", 16, "expected 'ms' but got 's'"),
        ("any: clock jumps 5 s", 18, "a number with its sign"),
        ("any: clock jumps +0 s", 6, "expected seconds other than 0"),
        ("read: unreadable 5", 18, "expected bytes START..END"),
        ("write: zeroed 0..5", 8, "expected read for"),
        ("read offset 0..9: stale 0..5", 19, "expected no offset"),
        ("write: missing", 8, "expected open or stat or any"),
        ("list: emptied", 7, "expected open or stat or size or read or any"),
        ("any: shortened by 5 bytes", 16, "expected 'to' but got 'by'"),
        ("any: lengthened by 0 bytes", 6, "must be >= 1"),
        ("open: fail EIO from 3 open", 7, "expected EMFILE but got EIO"),
        ("stat: fail EMFILE from 3 open", 7, "expected open for"),
        ("open: fail EMFILE from 3 files", 26, "expected 'bytes' but got 'files'"),
        ("write: read-only", 8, "expected any for"),
        ("stat in: fail EIO", 8, "expected a function or module but got ':'"),
        ("stat while f gone: fail EIO", 14, "expected what holds of the file"),
        ("stat while f >= 5: fail EIO", 18, "expected 'bytes'"),
        ("stat while f exists in g: fail EIO", 21, "got 'in'"),
        ("stat: fail EIO with probability 2 from d", 7, "at most 1, but got 2.0"),
        ("stat: fail EIO with probability x from d", 33, "a probability, such as 0.1,"),
        ("stat: fail EIO with probability 0.5", 36, "expected 'from'"),
        ("stat: fail EIO with probability 0.5 from", 41, "expected a stream"),
        ("stat: fail EIO twice", 16, "got 'twice'"),
    ],
)
def test_what_is_no_fault_is_told_with_its_place(line: str, column: int, words: str) -> None:
    with pytest.raises(FaultSyntaxError) as caught:
        parse_fault(line)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert caught.value.column == column
    assert str(caught.value).endswith(f", at column {column} of '{line}'")


@pytest.mark.parametrize("path", ["", "a b", "a:b", "a#b", "offset", "in", "while", " a"])
def test_a_pattern_that_no_line_could_hold_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path: expected a pattern"):
        Where(path=path)


@pytest.mark.parametrize(
    ("what", "which"),
    [(FlipBit(0, 0), Which()), (FillUp(FaultErrno.ENOSPC, 0), Which(first=2, times=None))],
)
def test_what_lasts_takes_no_other_measure(what: What, which: Which) -> None:
    with pytest.raises(ValueError, match="which: expected"):
        Fault(where=Where(kind=OperationKind.READ), what=what, which=which)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        (None, "/store/log.dat", True),
        ("log.dat", "/store/log.dat", True),
        ("log.dat", "/store/old-log.dat", False),
        ("*.tmp", "/store/a/state.tmp", True),
        ("store", "/store/", True),
        ("/store/*", "/store/log.dat", True),
        ("/store/*", "/other/log.dat", False),
        ("LOG.DAT", "/store/log.dat", False),
    ],
)
def test_which_paths_a_pattern_matches(pattern: str | None, path: str, *, matches: bool) -> None:
    assert Where(path=pattern).matches_path(path) is matches
