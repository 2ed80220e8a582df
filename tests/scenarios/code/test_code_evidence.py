"""A finding of `crash_test` shows what the code told the disk, and what became of it."""

from pathlib import Path

import pytest

from wavetank.scenarios import Evidence, Fate, Span, crash_test
from wavetank.sim.python_files import SimulatedDirectory


def write_and_rename(directory: SimulatedDirectory, ack: object) -> None:
    assert callable(ack)
    for number in range(2):
        new = Path(directory, "config.tmp")
        new.write_text(f"number {number}")
        new.replace(Path(directory, "config"))
        ack(number)


def read(directory: SimulatedDirectory) -> str | None:
    path = Path(directory, "config")
    return path.read_text() if path.exists() else None


def found(kind: str) -> Evidence:
    report = crash_test(write_and_rename, observe=read, profiles=("posix",), raise_on_finding=False)
    return next(each for each in report.findings if each.kind == kind).evidence()


def test_each_op_has_its_fate_and_each_call_its_span() -> None:
    evidence = found("lost")

    [stretch] = evidence.stretches
    client = [span for span in stretch.spans if span.lane == "client"]
    assert client[0] == Span(
        label="0: up to the acknowledgement of 0", start=0, end=6, acknowledged=True, lane="client"
    )
    calls = [span.label.partition(" at ")[0] for span in stretch.spans if span.lane == "calls"]
    assert calls[:3] == ["open", "write", "os.replace"]
    assert [(op.text, op.fate) for op in stretch.ops if op.fate is Fate.LOST] == [
        ("the rename of /simulated/config.tmp to /simulated/config", Fate.LOST),
        ("the rename of /simulated/config.tmp to /simulated/config", Fate.LOST),
    ]
    assert evidence.promised == ("'number 0'",)
    assert evidence.shown == ("None",)
    assert [(each.path, each.size_after) for each in evidence.changed] == [
        ("/simulated/config", None)
    ]


@pytest.mark.slow
def test_bytes_that_never_came_are_shown() -> None:
    [changed] = found("damaged").changed
    assert (changed.path, changed.before, changed.after) == (
        "/simulated/config",
        b"number 0",
        b"",
    )
