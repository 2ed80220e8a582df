"""Events are written to every file as they come."""

from pathlib import Path

import pytest

from wavetank.reports.documents.events import event_line, read_events
from wavetank.reports.outputs.event_log import EventLog
from wavetank.scenarios import Event, SyncEvent

EVENTS = [
    Event(number=n, what=SyncEvent(position=n, call=n, sync="fsync", path="/f", failed=False))
    for n in range(3)
]


def test_each_file_holds_every_event(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_text("what was there")
    with EventLog(paths) as log:
        for event in EVENTS:
            log.take(event)
    text = "".join(map(event_line, EVENTS))
    assert [path.read_text() for path in paths] == [text, text]
    assert list(read_events(paths[0])) == EVENTS


def test_the_digest_is_that_of_the_lines(tmp_path: Path) -> None:
    with EventLog([]) as one, EventLog([tmp_path / "a"]) as other:
        for event in EVENTS:
            one.take(event)
            other.take(event)
        assert one.digest == other.digest
        one.take(EVENTS[0])
        assert one.digest != other.digest


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        EventLog([tmp_path / "a", tmp_path / "none" / "b"])
