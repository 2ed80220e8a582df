"""The directory before and after a crash, and the bytes that differ."""

from attrs import evolve
from page_stories import LOST_VOTE

from wavetank.reports.page.files import HexDiff, hex_diff, tree_of
from wavetank.scenarios import ChangedFile, FileSeen


def test_each_entry_is_told_with_what_became_of_it() -> None:
    extra = FileSeen(path="/store", size=None, digest="")
    evidence = evolve(LOST_VOTE, before=(extra, *LOST_VOTE.before), after=(extra, *LOST_VOTE.after))
    assert [(row.path, row.before, row.after, row.change.value) for row in tree_of(evidence)] == [
        ("/store", "directory", "directory", "as written"),
        ("/store/log", "100 B", "100 B", "other bytes"),
        ("/store/vote", "32 B", "", "gone"),
        ("/store/vote.tmp", "", "32 B", "is back: the program had renamed or removed it"),
    ]


def changed(before: bytes, after: bytes, *, gone: bool = False) -> HexDiff:
    return hex_diff(
        ChangedFile(
            path="/f",
            start=32,
            before=before,
            after=after,
            size_before=len(before) + 32,
            size_after=None if gone else len(after) + 32,
        )
    )


def test_bytes_that_differ_are_marked_on_both_sides() -> None:
    diff = changed(b"a" * 16, b"a" * 15 + b"\0")
    (row,) = diff.rows
    assert (row.offset, row.equal) == ("00000020", False)
    assert [byte.digits for byte in row.before if byte.differs] == ["61"]
    assert [(byte.digits, byte.character) for byte in row.after if byte.differs] == [("00", ".")]
    assert diff.told == "48 bytes were written, 48 bytes are left"


def test_equal_rows_are_left_out_but_for_the_neighbours() -> None:
    same = [bytes([number]) * 16 for number in range(6)]
    other = [*same[:5], b"!" * 16]
    diff = changed(b"".join(same), b"".join(other))
    assert [(row.offset, row.left_out) for row in diff.rows] == [
        ("", 4),
        ("00000060", 0),
        ("00000070", 0),
    ]
    assert [row.equal for row in diff.rows[1:]] == [True, False]


def test_a_shorter_file_lacks_bytes() -> None:
    diff = changed(b"abc", b"a")
    (row,) = diff.rows
    assert [(byte.digits, byte.differs) for byte in row.after[:4]] == [
        ("61", False),
        ("", True),
        ("", True),
        ("", False),
    ]


def test_of_a_file_that_is_gone_only_what_was_written_is_shown() -> None:
    diff = changed(b"abc", b"", gone=True)
    assert diff.told == "35 bytes were written; the file is gone"
    assert [row.after for row in diff.rows] == [()]


def test_many_rows_are_cut_and_counted() -> None:
    diff = changed(b"a" * 16 * 40, b"b" * 16 * 40)
    assert (len(diff.rows), diff.hidden) == (32, 8)
