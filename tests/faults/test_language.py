"""The fault language: text read back, errors with their place, and the list of words."""

import re
from pathlib import Path
from typing import Final, get_args

import pytest
from hypothesis import given

from wavetank.faults import (
    VOCABULARY,
    ByteRange,
    Chance,
    ClockJump,
    Crash,
    CrashEnd,
    Fail,
    Fault,
    FaultErrno,
    FaultFamily,
    FaultPlan,
    FaultSyntaxError,
    FaultWords,
    FileTest,
    FillUp,
    FlipBit,
    OperationKind,
    OperationMatcher,
    Short,
    Shortened,
    TornShape,
    TornWrite,
    Trigger,
    Unreadable,
    What,
    When,
    While,
    parse_fault,
    parse_plan,
)
from wavetank.faults.strategies import fault_plans
from wavetank.sim import FsyncFailure

EIO = FaultErrno.EIO


PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"


@given(plan=fault_plans())
def test_a_plan_reads_back_as_printed(plan: FaultPlan) -> None:
    assert parse_plan(str(plan)) == plan


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "fsync log.dat #3: fail EIO ext4",
            Fault(
                matcher=OperationMatcher(kind=OperationKind.FSYNC, path="log.dat"),
                what=Fail(error=EIO, machine=FsyncFailure.EXT4),
                trigger=Trigger(first=3),
            ),
        ),
        (
            "write *.tmp #2: short 100 bytes",
            Fault(
                matcher=OperationMatcher(kind=OperationKind.WRITE, path="*.tmp"),
                what=Short(100),
                trigger=Trigger(first=2),
            ),
        ),
        (
            "read snapshot.dat: flip bit 17 at 1000",
            Fault(
                matcher=OperationMatcher(kind=OperationKind.READ, path="snapshot.dat"),
                what=FlipBit(17, 1000),
            ),
        ),
        (
            "any: fail ENOSPC from 65536 bytes written",
            Fault(matcher=OperationMatcher(), what=FillUp(FaultErrno.ENOSPC, 65536)),
        ),
        (
            "write log.dat offset 4096..8192: fail EIO after 512 bytes 3 times",
            Fault(
                matcher=OperationMatcher(
                    kind=OperationKind.WRITE, path="log.dat", offset=ByteRange(4096, 8192)
                ),
                what=Fail(error=EIO, when=When.INSIDE, partial_bytes=512),
                trigger=Trigger(times=3),
            ),
        ),
        (
            "any: fail EROFS after effect from now on",
            Fault(
                matcher=OperationMatcher(),
                what=Fail(error=FaultErrno.EROFS, when=When.AFTER),
                trigger=Trigger(times=None),
            ),
        ),
        (
            "rename state.json: crash before",
            Fault(
                matcher=OperationMatcher(kind=OperationKind.RENAME, path="state.json"),
                what=Crash(CrashEnd.POWER_CUT, When.BEFORE),
            ),
        ),
        (
            "write log.dat offset 4096..8192: torn sectors 0,2",
            Fault(
                matcher=OperationMatcher(
                    kind=OperationKind.WRITE, path="log.dat", offset=ByteRange(4096, 8192)
                ),
                what=TornWrite(TornShape.ONLY, (0, 2)),
            ),
        ),
        (
            "read log.dat in recovery while metadata.json < 9 bytes #2: unreadable 0..512",
            Fault(
                matcher=OperationMatcher(
                    kind=OperationKind.READ,
                    path="log.dat",
                    caller="recovery",
                    condition=While("metadata.json", FileTest.LESS, 9),
                ),
                what=Unreadable(ByteRange(0, 512)),
                trigger=Trigger(first=2),
            ),
        ),
        (
            "any: emptied with probability 0.25 from disk",
            Fault(
                matcher=OperationMatcher(),
                what=Shortened(0),
                trigger=Trigger(times=None, chance=Chance(0.25, "disk")),
            ),
        ),
        (
            "any: clock jumps -5 s 2 times",
            Fault(matcher=OperationMatcher(), what=ClockJump(-5), trigger=Trigger(times=2)),
        ),
    ],
)
def test_what_a_line_says(line: str, fault: Fault) -> None:
    assert parse_fault(line) == fault
    assert str(fault) == line


def test_white_space_is_free_and_xfs_is_ext4() -> None:
    assert (
        str(parse_fault("  fsync  log.dat#3 :fail EIO xfs ")) == "fsync log.dat #3: fail EIO ext4"
    )


def test_a_plan_skips_comments_and_empty_lines() -> None:
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
        ("read: flip bit 3 at 5 from now on", 23, "expected the end of the line but got 'from'"),
        ("read offset 0..9: flip bit 3 at 5", 19, "offset: expected none"),
        ("any: fail EIO from 5 bytes written", 6, "expected ENOSPC or EDQUOT"),
        ("any #3: fail ENOSPC from 3 bytes written", 5, "first: expected 1"),
        ("stat: fail EIO 0 times", 7, "expected None or a number >= 1"),
        ("stat: fail EIO 3 bytes", 18, "expected 'times' but got 'bytes'"),
        ("write: torn sectors", 20, "expected sectors, such as 0,2"),
        ("write: torn sectors 2,1", 8, "expected sectors in order"),
        ("write: torn frist 1 sectors", 13, "nearest match: first"),
        ("write: lie", 8, "expected fsync or datasync or fsync_dir"),
        ("write: kill before then power", 30, "expected 'cut' but got the end"),
        ("write: crash before then power cut", 21, "got 'then'"),
        ("write: stall 5 s", 16, "expected 'ms' but got 's'"),
        ("any: clock jumps 5 s", 18, "a number with its sign"),
        ("any: clock jumps +0 s", 6, "expected seconds other than 0"),
        ("write: missing", 8, "expected open or stat or any"),
        ("list: emptied", 7, "expected open or stat or size or read or any"),
        ("open: fail EIO from 3 open", 7, "expected EMFILE but got EIO"),
        ("open: fail EMFILE from 3 files", 26, "expected 'bytes' but got 'files'"),
        ("write: read-only", 8, "expected any for"),
        ("stat in: fail EIO", 8, "expected a function or module but got ':'"),
        ("stat while f gone: fail EIO", 14, "expected what holds of the file"),
        ("stat while f exists in g: fail EIO", 21, "got 'in'"),
        ("stat: fail EIO with probability 2 from d", 7, "at most 1, but got 2.0"),
        ("stat: fail EIO with probability x from d", 33, "a probability, such as 0.1,"),
        ("stat: fail EIO with probability 0.5", 36, "expected 'from'"),
        ("stat: fail EIO with probability 0.5 from", 41, "expected a stream"),
    ],
)
def test_an_error_names_the_column_and_what_was_expected(
    line: str, column: int, words: str
) -> None:
    with pytest.raises(FaultSyntaxError) as caught:
        parse_fault(line)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert caught.value.column == column
    assert str(caught.value).endswith(f", at column {column} of '{line}'")


def says_what(words: FaultWords) -> bool:
    return words.example.endswith(f": {words.form}")


@pytest.mark.parametrize("words", VOCABULARY, ids=lambda words: words.form)
def test_an_entry_of_the_vocabulary_is_in_its_example(words: FaultWords) -> None:
    assert words.form in words.example
    assert str(parse_fault(words.example)) == words.example


def test_every_word_of_the_grammar_is_listed() -> None:
    grammar = PAGE.read_text("utf-8").split("\n## Grammar\n")[1].split("```")[1]
    words = {word for word in re.findall(r'"([^"]+)"', grammar) if re.search("[a-zA-Z<>]", word)}
    listed = " ".join(f"{each.example} {each.meaning}" for each in VOCABULARY)
    assert words - set(re.findall(r"[\w<>=-]+", listed)) == set()


def test_every_effect_is_listed() -> None:
    listed = {type(parse_fault(words.example).what) for words in VOCABULARY if says_what(words)}
    assert listed == set(get_args(What))


def test_the_page_has_a_row_for_every_effect_and_no_other() -> None:
    part = PAGE.read_text("utf-8").split("\n## Effect\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)
    forms = [words.form for words in VOCABULARY if says_what(words)]
    assert rows == [form for form in forms if form != "kill before then power cut"]


def test_the_page_has_every_kind_error_and_example_line() -> None:
    page = PAGE.read_text("utf-8")
    grammar = set(re.findall(r'"([^"]+)"', page))
    assert {each.value for each in OperationKind} <= grammar
    assert {each.name for each in FaultErrno} <= grammar
    lines = re.search(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert lines is not None
    assert str(parse_plan(lines[1])) == lines[1].strip()


@pytest.mark.parametrize(
    ("line", "family"),
    [
        ("any: fail EIO", FaultFamily.FAILURE),
        ("fsync: fail EIO btrfs", FaultFamily.FAILURE),
        ("write: short 1 bytes", FaultFamily.FAILURE),
        ("fsync: fail EIO ext4-data-journal", FaultFamily.DAMAGE),
        ("read: flip bit 0 at 0", FaultFamily.DAMAGE),
        ("fsync: lie", FaultFamily.DAMAGE),
        ("any: missing", FaultFamily.DAMAGE),
        ("any: kill inside", FaultFamily.CRASH),
        ("any: evict", FaultFamily.ENVIRONMENT),
    ],
)
def test_a_fault_has_a_family(line: str, family: FaultFamily) -> None:
    fault = parse_fault(line)
    assert fault.family is family
    assert fault.damages is (family is FaultFamily.DAMAGE)


@pytest.mark.idle_faults
def test_the_examples_of_the_page_print_their_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    blocks = [(language, text) for language, text in found if language != "sh"]
    assert [language for language, _ in blocks] == ["python", "text"] * 2
    for (_, source), (_, printed) in zip(blocks[::2], blocks[1::2], strict=True):
        exec(source, {})
        assert capsys.readouterr().out == printed
