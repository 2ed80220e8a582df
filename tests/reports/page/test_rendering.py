"""A page as HTML: nothing to fetch, links lead somewhere, headings and labels are in order."""

from itertools import pairwise
from pathlib import Path

import pytest
from attrs import evolve
from html_outline import Outline, outline_of
from page_stories import LOST_VOTE, finding_named, page_of, written

from wavetank.reports.page.blocks import (
    Block,
    Cell,
    Fact,
    Histogram,
    Matrix,
    MatrixRow,
    Notice,
    Page,
    Ratio,
    Ratios,
    Section,
    Strip,
    StripCell,
    Strips,
    Table,
    Tone,
)
from wavetank.reports.page.files import hex_diff
from wavetank.reports.page.history import draw_history
from wavetank.reports.page.rendering import render_page, write_page
from wavetank.scenarios import ChangedFile
from wavetank.scenarios.concurrency.history import Call, History

CHANGED = ChangedFile(
    path="/store/log", start=0, before=b"abcdef", after=b"abxxex", size_before=6, size_after=6
)

BLOCKS: tuple[Block, ...] = (
    Matrix(
        corner="scenario",
        columns=("posix", "ext4"),
        rows=(
            MatrixRow("votes", (Cell(text="7", tone=Tone.GOOD), Cell(text="O1", target="votes-1"))),
        ),
        legend="How to read it.",
    ),
    Table(columns=("name", "count"), rows=(("votes", "1,234"), ("<b>", "-"))),
    Strips(
        (
            Strip(
                name="votes, posix",
                cells=(
                    StripCell(tone=Tone.GOOD, position=1, step=0, told="1 new disk"),
                    StripCell(tone=Tone.PLAIN, position=2, step=0, told="0 new disks"),
                    *(
                        StripCell(
                            tone=Tone.BAD, position=at, step=step, told=told, target="votes-1"
                        )
                        for at, step, told in ((3, 0, "O1"), (5, 1, "O1"), (6, 1, "O2"))
                    ),
                ),
                verdict="fail",
            ),
        )
    ),
    Histogram(name="latency", unit="ms", bars=(("1", 3), ("2", 6))),
    Ratios(
        (
            Ratio(
                name="append",
                title="one entry",
                peer="sqlite",
                low=0.5,
                median=1.0,
                high=10.0,
                goal=1.0,
                tone=Tone.GOOD,
                told="1.00 times as fast",
            ),
        )
    ),
    Notice("Mind this."),
)


def whole_page() -> Page:
    history = draw_history(
        History(
            calls=(
                Call(number=1, task="a", operation="append", invoked_at=1, returned_at=4, result=1),
                Call(number=2, task="b", operation="read", invoked_at=2),
            ),
            crashes=(5,),
        ),
        mark=4,
        schedule="a b",
    )
    finding = evolve(finding_named("votes-1"), history=history, notes=("made smaller",))
    page = page_of(finding, finding_named("votes-2", written(30), limit=50))
    kinds = Section(id="kinds", title="Kinds", lead="All of them.", blocks=BLOCKS)
    return evolve(page, facts=(Fact("seed", "0"),), sections=(kinds, *page.sections))


@pytest.fixture(scope="module")
def outline() -> Outline:
    return outline_of(render_page(whole_page()))


def test_nothing_is_fetched(outline: Outline) -> None:
    assert outline.fetched == []
    html = render_page(whole_page())
    assert "@import" not in html
    assert "url(" not in html


def test_every_link_and_label_leads_to_one_element(outline: Outline) -> None:
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.targets) <= set(outline.ids)
    assert set(outline.labels) <= set(outline.ids)
    assert {"votes-1", "votes-2", "kinds", "findings", "main"} <= set(outline.targets)


def test_headings_skip_no_level(outline: Outline) -> None:
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert [level for level, after in pairwise(outline.headings) if after > level + 1] == []


def test_drawings_are_named_or_hidden_and_elements_closed(outline: Outline) -> None:
    assert outline.unnamed == []
    assert outline.unclosed == []


def test_a_finding_tells_its_story_in_order() -> None:
    html = render_page(page_of(finding_named("votes-1")))
    story = (
        "the vote for node-d is gone",
        "The vote survives.",
        "term 1, vote for node-d",
        "Expected node-d, but nobody came back.",
        "term 0, no vote",
        "The rename needed a sync of the directory /store.",
        "A sync of the directory /store after the rename.",
        "1: save the vote",
        "rename /store/vote.tmp to /store/vote",
        "Power cut",
        "of 5 changes: 1 lost",
        "is back: the program had renamed or removed it",
        "00000010",
        "posix",
        "wavetank replay votes-1",
    )
    places = [html.index(part) for part in story]
    assert places == sorted(places)


def test_without_a_timeline_what_was_lost_is_listed() -> None:
    finding = finding_named("votes-1")
    line = f"<li>{finding.lost[0]}</li>"
    assert line not in render_page(page_of(finding))
    assert line in render_page(page_of(evolve(finding, timelines=())))


def test_rows_have_the_class_of_their_fate(outline: Outline) -> None:
    assert list(filter(None, outline.texts["torn"])) == [
        "11 write bytes 0..99 of /store/log not synced: only a part reached the disk"
    ]
    assert outline.texts["notice"] == [
        "Mind this.",
        "Only the last 50 events before the power cut are shown; 69 earlier ones are left out.",
    ]


def test_text_of_a_store_is_not_taken_for_html() -> None:
    evil = "<script>alert(1)</script>"
    finding = evolve(finding_named("votes-1"), broken=evil, shown=(evil,), sentence=f"{evil} came")
    html = render_page(page_of(finding))
    assert evil not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3


def test_numbers_are_set_to_the_right() -> None:
    html = render_page(whole_page())
    assert '<td class="n">1,234</td>' in html
    assert "<td>&lt;b&gt;</td><td>-</td>" in html


def test_crash_points_that_came_to_the_same_are_one_link_to_their_story() -> None:
    html = render_page(whole_page())
    assert '<path class="good" d="M0 0h.8v10h-.8z"/><path class="quiet" d="M1 0' in html
    assert (
        '<a href="#votes-1"><title>after 3 to 5 records, steps 0-1: O1</title>'
        '<path class="bad" d="M2 0h.8v10h-.8zM3 0h.8v10h-.8z"/></a>'
    ) in html
    # One stop of the tab key is enough for neighbours that lead to the same.
    assert '<a href="#votes-1" tabindex="-1"><title>after 6 records, step 1: O2</title>' in html


def test_bytes_that_differ_side_by_side_are_marked_together() -> None:
    finding = evolve(finding_named("votes-1"), files=(hex_diff(CHANGED),))
    html = render_page(page_of(finding))
    assert "61 62 <mark>63 64</mark> 65 <mark>66</mark>" in html


def test_a_breach_that_the_title_tells_is_not_told_twice() -> None:
    finding = finding_named("votes-1")
    told = "<p>Expected node-d, but nobody came back.</p>"
    assert told in render_page(page_of(finding))
    same = evolve(finding, sentence=finding.broken)
    assert told not in render_page(page_of(same))
    assert told in render_page(page_of(evolve(same, shown=())))


def test_a_finding_whose_drawing_stands_elsewhere_leads_there() -> None:
    second = evolve(finding_named("votes-2"), timelines=(), tree=(), files=(), same_as="votes-1")
    html = render_page(page_of(finding_named("votes-1"), second))
    assert html.count('as in <a href="#votes-1">votes-1</a>') == 1
    assert html.count("Power cut</strong>") == 1


def test_a_page_is_small(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(page_of(finding_named("votes-1")), file)
    assert file.stat().st_size < 40_000
    write_page(page_of(finding_named("votes-1", written(500))), file)
    assert file.stat().st_size < 300_000
    assert LOST_VOTE.promised[0] not in file.read_text(encoding="utf-8")
