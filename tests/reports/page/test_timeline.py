"""Rows of a timeline: their order, their words, what is folded, what is left out."""

from attrs import evolve
from page_stories import VOTE, op, written

from wavetank.reports.page.graph import COLUMN, ROW, Mark, column_x, draw
from wavetank.reports.page.timeline import RowKind, Timeline, timeline_of
from wavetank.scenarios import Fate, Span, StretchSeen, SyncCall


def told(timeline: Timeline) -> list[tuple[int, str, str]]:
    return [(row.number, row.text, row.told) for chunk in timeline.chunks for row in chunk.rows]


def test_a_story_reads_from_top_to_bottom() -> None:
    timeline = timeline_of(VOTE, limit=100)
    assert told(timeline) == [
        (1, "step 0: open the store", ""),
        (2, "create /store", "not synced, kept by luck"),
        (3, "step 0 has returned: from here on it must survive", ""),
        (4, "step 1: save the vote", ""),
        (5, "create /store/vote.tmp", "not synced, kept by luck"),
        (6, "write bytes 0..31 of /store/vote.tmp", "durable since 7"),
        (7, "fsync of /store/vote.tmp", "makes 1 change durable"),
        (8, "rename /store/vote.tmp to /store/vote", "not synced: lost"),
        (9, "step 1 has returned: from here on it must survive", ""),
        (10, "step 2: append", ""),
        (11, "write bytes 0..99 of /store/log", "not synced: only a part reached the disk"),
        (12, "step 2 had not returned when the power went", ""),
    ]
    assert timeline.lanes == ("client",)
    assert timeline.columns == ("/", "/store/", "/store/vote.tmp", "/store/log")
    assert timeline.names == ("/", "/store/", "vote.tmp", "log")
    assert timeline.crash == "of 5 changes: 1 lost, 1 torn, 2 not synced and kept by luck, 1 safe"
    assert [chunk.folded for chunk in timeline.chunks] == [False, False, False]


def test_without_a_power_cut_there_is_no_crash_line() -> None:
    assert timeline_of(evolve(VOTE, is_cut=False), limit=100).crash == ""


def test_a_step_that_leaves_the_disk_alone_begins_and_returns_between_its_neighbours() -> None:
    spans = (
        Span(label="0: write", start=0, end=1, acknowledged=True, lane="client"),
        Span(label="1: read", start=1, end=1, acknowledged=True, lane="client"),
        Span(label="2: read", start=1, end=1, acknowledged=False, lane="client"),
    )
    ops = (op(0, "data", "/f", "bytes 0..1 of /f", Fate.KEPT),)
    stretch = StretchSeen(title="", spans=spans, ops=ops, syncs=(), crash_at=1)
    assert [text for _, text, _ in told(timeline_of(stretch, limit=9))] == [
        "step 0: write",
        "write bytes 0..1 of /f",
        "step 0 has returned: from here on it must survive",
        "step 1: read",
        "step 1 has returned: from here on it must survive",
        "step 2: read",
        "step 2 had not returned when the power went",
    ]


def test_calls_inside_a_step_end_without_a_row() -> None:
    spans = (
        Span(label="0: save", start=0, end=2, acknowledged=True, lane="client"),
        Span(label="write at app.py:5", start=0, end=1, acknowledged=True, lane="calls"),
    )
    ops = tuple(op(place, "data", "/f", f"bytes {place}", Fate.KEPT) for place in range(2))
    stretch = StretchSeen(title="", spans=spans, ops=ops, syncs=(), crash_at=2)
    timeline = timeline_of(stretch, limit=9)
    assert [row.text for chunk in timeline.chunks for row in chunk.rows] == [
        "step 0: save",
        "write at app.py:5",
        "write bytes 0",
        "write bytes 1",
        "step 0 has returned: from here on it must survive",
    ]
    # The bar of the call begins in the middle of row 2 and ends just before row 4.
    (drawing,) = draw(timeline)
    assert drawing.bars == ((32, 42, 38), (8, 14, 112))


def test_blocks_of_one_call_are_one_row_unless_their_fates_differ() -> None:
    whole = [op(place, "data", "/f", "bytes 0..8191 of /f", Fate.LOST) for place in range(3)]
    kept = evolve(whole[2], fate=Fate.KEPT)
    ops = tuple(evolve(each, call=7) for each in (whole[0], whole[1], kept))
    stretch = StretchSeen(title="", spans=(), ops=ops, syncs=(), crash_at=3)
    assert told(timeline_of(stretch, limit=9)) == [
        (1, "write bytes 0..8191 of /f (2 blocks)", "not synced: lost"),
        (2, "write bytes 0..8191 of /f", "not synced, kept by luck"),
    ]


def test_a_failed_sync_makes_nothing_durable() -> None:
    sync = SyncCall(position=1, kind="fsync_dir", path="/store", failed=True, step=0)
    ops = (op(0, "name", "/store/f", "the removal of the name /store/f", Fate.LOST),)
    stretch = StretchSeen(title="", spans=(), ops=ops, syncs=(sync,), crash_at=2)
    timeline = timeline_of(stretch, limit=9)
    assert told(timeline) == [
        (1, "remove /store/f", "not synced: lost"),
        (2, "fsync of the directory /store", "failed: nothing became durable"),
    ]
    assert timeline.columns == ("/store/",)
    assert [row.kind for row in timeline.chunks[0].rows] == [RowKind.CHANGE, RowKind.FAILED_SYNC]


def test_quiet_steps_of_a_long_run_are_folded_together_and_the_last_ones_are_not() -> None:
    timeline = timeline_of(written(30).stretches[0], limit=1000)
    assert timeline.rows == 119
    first, *others = timeline.chunks
    assert (first.folded, first.title) == (True, "step 0 to step 27 (28 changes, all safe)")
    assert len(first.rows) == 112
    assert [(each.folded, each.rows[0].text) for each in others] == [
        (False, "step 28: append"),
        (False, "step 29: append"),
    ]


def test_a_timeline_keeps_the_events_before_the_power_cut_and_counts_the_others() -> None:
    timeline = timeline_of(written(30).stretches[0], limit=7)
    assert (timeline.rows, timeline.hidden) == (7, 112)
    assert told(timeline)[0] == (113, "step 28: append", "")
    # All changes are counted, also those that are not shown.
    assert timeline.crash == "of 30 changes: 1 lost, 29 safe"


def test_a_file_is_dotted_while_something_of_it_is_pending() -> None:
    timeline = timeline_of(written(2).stretches[0], limit=100)
    first, second = draw(timeline)
    x = column_x(timeline, 0)
    assert x == COLUMN + 12 + COLUMN // 2
    # Written in the second row, synced in the third, and the next step begins behind the fourth.
    assert first.pending == f"M{x} {ROW + ROW // 2}V{2 * ROW + ROW // 2}"
    assert first.durable == f"M{x} {2 * ROW + ROW // 2}V{4 * ROW}"
    assert first.dots == f"M{x} {ROW + ROW // 2}h0"
    assert first.marks == (Mark(shape="sync", x=x, y=2 * ROW + ROW // 2),)
    # The last step is written, and never synced.
    assert second.durable == f"M{x} 0V{ROW + ROW // 2}"
    assert second.pending == f"M{x} {ROW + ROW // 2}V{3 * ROW}"
    assert second.marks == (Mark(shape="lost", x=x, y=ROW + ROW // 2),)


def test_files_beyond_the_tenth_share_a_line() -> None:
    ops = tuple(op(place, "data", f"/{place}", "bytes", Fate.KEPT) for place in range(12))
    timeline = timeline_of(
        StretchSeen(title="", spans=(), ops=ops, syncs=(), crash_at=12), limit=99
    )
    (drawing,) = draw(timeline)
    xs = [mark.x for mark in drawing.marks]
    assert len(set(xs)) == 10
    assert xs[9] == xs[10] == xs[11]


def test_calls_of_a_cluster_are_told_by_their_time() -> None:
    spans = (
        Span(label="0.581 s: save state", start=0, end=1, acknowledged=True, lane="node-a"),
        Span(label="recovery", start=1, end=2, acknowledged=False, lane="engine"),
    )
    ops = tuple(op(place, "data", "/f", f"bytes {place}", Fate.KEPT) for place in range(2))
    stretch = StretchSeen(title="", spans=spans, ops=ops, syncs=(), crash_at=2)
    timeline = timeline_of(stretch, limit=9)
    assert timeline.lanes == ("node-a", "engine")
    assert [text for _, text, _ in told(timeline)] == [
        "0.581 s: save state",
        "write bytes 0",
        "the call of 0.581 s has returned: from here on it must survive",
        "recovery",
        "write bytes 1",
        "recovery had not returned when the power went",
    ]
