"""Litmus programs on real filesystems: what is recorded, which images are made, what is judged.

What needs the machine is skipped by the names of what is missing.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wavetank.reports.cli import cli
from wavetank.reports.commands.trials.litmus import render_real
from wavetank.reports.documents import schema
from wavetank.reports.documents.litmus import litmus_real_document
from wavetank.reports.kernel.crash_images import (
    CrashPoint,
    PlacedMark,
    apply_writes,
    copy_sparse,
    crash_points,
    windows,
)
from wavetank.reports.kernel.machine import REAL_FILESYSTEMS, missing_requirements
from wavetank.reports.kernel.observed_states import judge, letters_of, program_letters, read_files
from wavetank.reports.kernel.program_run import TriggerKind, plan_triggers
from wavetank.reports.kernel.recording_device import (
    DeviceEvent,
    DeviceWrite,
    Flush,
    LoggedEvent,
    RecordingDevice,
    encode_event,
    read_events,
)
from wavetank.reports.kernel.results import ObservedState, RealResult, RealVerdict
from wavetank.sim import (
    BTRFS,
    EXT4,
    EXT4_OBSERVED,
    EXT4_ORDERED,
    XFS,
    LitmusState,
    LitmusTest,
    read_litmus,
    shipped_litmus,
)

Json = dict[str, Any]

VOTE: Final[Json] = {
    "id": "vote",
    "setup": [["create", "f", "i1"], ["append", "i1", "0"]],
    "program": [["overwrite", "i1", 0, "1"], ["fsync", "i1"], ["mark", "ok"]],
    "states": {},
}
OLD: Final = LitmusState.of({"f": "0"})
NEW: Final = LitmusState.of({"f": "1"})
ACKNOWLEDGED: Final = LitmusState.of({"f": "1"}, "ok")
LOST: Final = LitmusState.of({"f": "0"}, "ok")

DEADLINE_S: Final = 300

writes = st.builds(DeviceWrite, st.integers(0, 1 << 40), st.binary(max_size=20))
device_events = st.lists(writes | st.just(Flush()))


def vote() -> LitmusTest:
    return read_litmus(json.dumps([VOTE]))[0]


def logged(*events: DeviceEvent) -> tuple[LoggedEvent, ...]:
    return tuple(read_events(b"".join(encode_event(event) for event in events)))


def filled(block: int, letter: str) -> DeviceWrite:
    return DeviceWrite(block * 4096, letter.encode() * 4096)


def metadata(block: int, blocks: int = 1) -> DeviceWrite:
    return DeviceWrite(block * 4096, bytes(range(256)) * 16 * blocks)


def points(
    events: tuple[LoggedEvent, ...], *marks: PlacedMark, first: int = 0, most: int = 1000
) -> list[list[CrashPoint]]:
    last = events[-1].position
    return [
        list(crash_points(window, first, last, marks, most=most, seed=0))
        for window in windows(events)
    ]


def seen_in(state: LitmusState | None, image: int, *, error: str = "") -> ObservedState:
    return ObservedState(
        image=image,
        state=state,
        error=error,
        run=3,
        triggers=("syncfs", "", ""),
        window=1,
        kept=(0, 2),
        written=4,
    )


@given(device_events)
def test_the_log_gives_back_what_was_written_down(events: list[DeviceEvent]) -> None:
    log = b"".join(encode_event(event) for event in events)
    assert [each.event for each in read_events(log)] == events
    assert [each.position for each in read_events(log)][-1:] == [len(log)][: len(events)]


@given(device_events, st.data())
def test_a_log_that_is_still_growing_gives_its_whole_events(
    events: list[DeviceEvent], data: st.DataObject
) -> None:
    log = b"".join(encode_event(event) for event in events)
    length = data.draw(st.integers(0, len(log)))
    found = list(read_events(log[:length]))
    assert found == [each for each in read_events(log) if each.position <= length]


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(ValueError, match="expected event kind 1 or 2 at byte 0 of the log, got 7"):
        list(read_events(b"\x07" * 64))


def test_the_device_logs_each_write_and_flush_in_order(tmp_path: Path) -> None:
    backing, log = tmp_path / "backing", tmp_path / "log"
    backing.write_bytes(bytes(8192))
    device = RecordingDevice(str(backing), str(log))
    assert device.write("/disk", b"ab", 4095, 0) == 2
    assert device.fsync("/disk", 1, 0) == 0
    assert device.write("/disk", b"c", 0, 0) == 1
    assert device.read("/disk", 2, 4095, 0) == b"ab"
    assert device.getattr("/disk")["st_size"] == 8192
    events = [each.event for each in read_events(log.read_bytes())]
    assert events == [DeviceWrite(4095, b"ab"), Flush(), DeviceWrite(0, b"c")]
    with pytest.raises(OSError, match="No such file"):
        device.getattr("/another")


def test_a_cut_keeps_any_choice_of_what_came_after_the_last_flush() -> None:
    events = logged(metadata(0), Flush(), metadata(1), metadata(2), metadata(3))
    before, after = points(events)
    assert {point.kept for point in before} == {(), (0,)}
    everything = {(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)}
    assert {point.kept for point in after} == everything
    assert len(after) == len(everything)


def test_the_most_telling_choices_come_first() -> None:
    events = logged(*(metadata(number) for number in range(10)))
    (found,) = points(events, most=5)
    prefix, dropped, alone = (0,), tuple(range(1, 10)), (0, 1)
    assert [point.kept for point in found] == [tuple(range(10)), (), prefix, dropped, alone]


def test_file_blocks_are_lost_one_by_one_and_metadata_as_a_whole() -> None:
    both = DeviceWrite(8192, filled(0, "a").data + filled(0, "b").data)
    (window,) = windows(logged(both, metadata(9, blocks=2)))
    assert [write for _, write in window.writes] == [
        filled(2, "a"),
        filled(3, "b"),
        metadata(9, blocks=2),
    ]


def test_a_mark_belongs_to_every_cut_that_can_come_after_it() -> None:
    events = logged(metadata(0), metadata(1), Flush(), metadata(2))
    first, second, flushed, _ = (event.position for event in events)
    (early, late) = points(events, PlacedMark(first, "a"), PlacedMark(flushed, "b"))
    marks = {point.kept: point.marks for point in early}
    # Nothing kept, or the first write: the cut may come before or after the mark.
    assert marks[()] == marks[(0,)] == ((), ("a",))
    # The second write reached the device after the mark.
    assert marks[(1,)] == marks[(0, 1)] == (("a",),)
    assert {point.kept: point.marks for point in late} == {
        (): (("a",), ("a", "b")),
        (0,): (("a", "b"),),
    }
    assert second < flushed


def test_what_came_before_the_program_is_kept() -> None:
    events = logged(metadata(0), metadata(1), metadata(2))
    started = events[0].position
    (found,) = points(events, first=started)
    assert {point.kept for point in found} == {(0,), (0, 1), (0, 2), (0, 1, 2)}


def test_a_window_that_ended_before_the_program_shows_nothing() -> None:
    events = logged(metadata(0), Flush(), metadata(1))
    assert points(events, first=events[1].position)[0] == []


def test_a_sparse_copy_has_the_same_content_and_no_more_blocks(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(64 << 20)
    apply_writes(source, [filled(1000, "a"), filled(3, "b"), filled(1000, "c")])
    copy_sparse(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 2 * (1 << 16) // 512
    with target.open("rb") as file:
        file.seek(1000 * 4096)
        assert file.read(4097) == b"c" * 4096 + b"\0"


def test_files_are_read_as_letters(tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    (tmp_path / "D" / "f").write_bytes(b"a" * 4096 + bytes(4096) + b"b" * 4096)
    (tmp_path / "g").write_bytes(b"")
    assert read_files(tmp_path, {"a", "b"}) == {"D/f": "a?b", "g": ""}


@pytest.mark.parametrize(
    ("content", "letters"),
    [
        (b"a" * 4096, "a"),
        (b"c" * 4096, "?"),
        (b"a" * 4095 + b"b", "?"),
        (b"a" * 4096 + b"a", "a?"),
    ],
)
def test_only_a_whole_block_of_a_letter_of_the_program_is_one(content: bytes, letters: str) -> None:
    assert letters_of(content, {"a", "b"}) == letters


def test_the_letters_of_a_program_are_those_it_writes() -> None:
    assert program_letters(vote()) == {"0", "1"}


def test_the_first_run_is_left_alone_and_plans_are_repeatable() -> None:
    assert plan_triggers(0, 3, 0, timer=True) == ((), (), ())
    for run in range(20):
        plan = plan_triggers(run, 3, 7, timer=False)
        assert len(plan) == 3
        assert plan == plan_triggers(run, 3, 7, timer=False)
        assert not any(trigger.kind is TriggerKind.WAIT for after in plan for trigger in after)
    assert plan_triggers(9, 0, 0, timer=True) == ()


def test_the_timer_is_waited_for_in_one_run_and_once() -> None:
    waits = [
        sum(
            trigger.kind is TriggerKind.WAIT
            for after in plan_triggers(run, 4, 0, timer=True)
            for trigger in after
        )
        for run in range(12)
    ]
    assert sorted(waits) == [0] * 11 + [1]


def test_what_lies_inside_the_set_is_told_apart_from_what_was_never_seen() -> None:
    (outcome,) = judge(vote(), [XFS], [seen_in(OLD, 0), seen_in(ACKNOWLEDGED, 1)])
    assert outcome.seen == (OLD, ACKNOWLEDGED)
    assert outcome.unseen == (NEW,)
    assert outcome.outside == ()
    assert outcome.images == 2


def test_a_state_outside_the_set_and_an_image_that_cannot_be_read_are_findings() -> None:
    seen = [
        seen_in(LOST, 0),
        seen_in(LOST, 1),
        seen_in(None, 2, error="Structure needs cleaning"),
    ]
    (outcome,) = judge(vote(), [BTRFS], seen)
    assert [(each.first.state, each.first.error, each.images) for each in outcome.outside] == [
        (LOST, "", 2),
        (None, "Structure needs cleaning", 1),
    ]
    result = RealResult(filesystem="btrfs", kernel="1.2", outcomes=(outcome,))
    assert result.verdict is RealVerdict.FAIL
    document = litmus_real_document([result], "0")
    jsonschema.validate(document, schema("litmus-real"))
    assert document["verdict"] == "fail"
    text = render_real(result)
    assert "OUTSIDE: f=0 after ok (2 images)" in text
    assert "OUTSIDE: Structure needs cleaning (1 images)" in text
    assert "kept, of 4 writes since, 0, 2" in text


def test_each_filesystem_is_held_against_what_describes_its_mount() -> None:
    told = {
        name: (each.type, each.mount_options, each.profiles)
        for name, each in REAL_FILESYSTEMS.items()
    }
    assert told == {
        "ext4": ("ext4", "commit=1", (EXT4,)),
        "ext4-ordered": ("ext4", "commit=1,dioread_lock", (EXT4_ORDERED, EXT4_OBSERVED)),
        "xfs": ("xfs", "nouuid", (XFS,)),
        "btrfs": ("btrfs", "commit=1", (BTRFS,)),
    }


# What ext4 was seen to leave on Linux 6.18, by mount options, in programs that ship.
SEEN_BY_DEFAULT: Final = [
    ("L01", {"f": "a??"}, ()),
    ("L06", {"f": "??"}, ()),
    ("L19", {"log": "1", "meta": "1", "t": "?"}, ()),
    ("L29", {"log": "a?"}, ()),
    ("L30", {"f": "?"}, ()),
    ("L33", {"st": "?"}, ("voteA",)),
    ("L38", {"log": "a?", "st": "1"}, ("ack",)),
]


@pytest.mark.parametrize(("program", "files", "marks"), SEEN_BY_DEFAULT)
def test_what_ext4_left_as_it_is_mounted_by_default_lies_in_the_profile_that_ships_for_it(
    program: str, files: dict[str, str], marks: tuple[str, ...]
) -> None:
    test = next(each for each in shipped_litmus() if each.id == program)
    seen = [seen_in(LitmusState.of(files, *marks), 0)]
    for profile in (EXT4_ORDERED, EXT4_OBSERVED):
        (outcome,) = judge(test, [profile], seen)
        assert [each.first.state for each in outcome.outside] == [seen[0].state]
    (outcome,) = judge(test, REAL_FILESYSTEMS["ext4"].profiles, seen)
    assert (outcome.seen, outcome.outside) == ((seen[0].state,), ())


def test_a_machine_that_lacks_something_is_skipped_by_name() -> None:
    nowhere = evolve(REAL_FILESYSTEMS["xfs"], type="nofs", make=("mkfs.nofs",))
    missing = missing_requirements(nowhere)
    assert missing[-2:] == ("mkfs.nofs", "nofs in the kernel")


def test_the_command_says_what_is_missing_and_exits_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(cli, ["litmus", "--real", "btrfs", "--format", "json"])
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("litmus-real"))
    assert document["verdict"] == "skipped"
    assert "mkfs.btrfs" in document["filesystems"][0]["missing"]
    text = CliRunner().invoke(cli, ["litmus", "--real", "btrfs"]).stdout
    assert "btrfs: skipped: this machine lacks " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runs", "3"), "--runs needs --real"),
        (("--mount-option", "x"), "--mount-option needs --real"),
        (("--real", "xfs", "--profile", "posiks"), "got 'posiks'; nearest match: posix"),
        (("--real", "xfs", "--profile", "no.toml"), "no.toml: expected a readable file in UTF-8"),
        (("--real", "zfs"), "'zfs' is not one of 'ext4', 'ext4-ordered', 'xfs', 'btrfs'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], message: str
) -> None:
    done = CliRunner().invoke(cli, ["litmus", *arguments])
    assert done.exit_code == 2
    assert message in done.output


def test_the_command_offers_the_filesystems_there_are() -> None:
    real = next(each for each in cli.commands["litmus"].params if each.name == "real")
    assert tuple(real.to_info_dict()["type"]["choices"]) == tuple(REAL_FILESYSTEMS)


@pytest.mark.parametrize("name", list(REAL_FILESYSTEMS))
def test_a_synced_overwrite_is_there_after_every_cut(name: str, tmp_path: Path) -> None:
    """The one law that no filesystem breaks; and nothing is left behind on the machine."""
    skip_unless_possible(name)
    file = stored(tmp_path)
    done = wavetank(
        *("--real", name, "--file", str(file), "--runs", "2", "--images", "6", "--format", "json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("litmus-real"))
    (filesystem,) = document["filesystems"]
    assert filesystem["kernel"] == os.uname().release
    for each in filesystem["tests"]:
        assert each["outside"] == []
        seen = [(state["files"], state["marks"]) for state in each["seen"]]
        assert ({"f": "0"}, []) in seen
        assert ({"f": "1"}, ["ok"]) in seen
    assert traces(tmp_path) == []
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("while_it", ["vote: running", "vote: reading images"])
def test_interrupted_it_takes_everything_away(
    number: signal.Signals, while_it: str, tmp_path: Path
) -> None:
    skip_unless_possible("ext4")
    file = stored(tmp_path)
    arguments = ("--real", "ext4", "--file", str(file), "--runs", "400", "--images", "100")
    process = subprocess.Popen(
        [sys.executable, "-m", "wavetank", "litmus", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if while_it in line:
                break
        process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert traces(tmp_path) == []
    assert list(tmp_path.iterdir()) == [file]


def skip_unless_possible(name: str) -> None:
    missing = missing_requirements(REAL_FILESYSTEMS[name])
    if missing:
        pytest.skip(f"this machine lacks {', '.join(missing)}")


def stored(directory: Path) -> Path:
    path = directory / "litmus.json"
    path.write_text(json.dumps([VOTE]), encoding="utf-8")
    return path


def wavetank(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wavetank", "litmus", *arguments],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "TMPDIR": str(cwd), **environment},
        text=True,
        timeout=DEADLINE_S,
    )


def traces(folder: Path) -> list[str]:
    """Return the mounts, loop devices and processes that have to do with a folder."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    backing = [texts(each) for each in Path("/sys/block").glob("loop*/loop/backing_file")]
    commands = [texts(each) for each in Path("/proc").glob("[0-9]*/cmdline")]
    return [each for each in (*mounts, *backing, *commands) if str(folder) in each]


def texts(path: Path) -> str:
    """Return what a file of the kernel says; "" if it has gone meanwhile."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
