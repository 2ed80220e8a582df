"""What a person reads: stories that fit on a screen, progress lines, the table."""

import io
import re
import shlex
from collections.abc import Callable
from textwrap import dedent

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from session_examples import CASE, PLAN, RESULT, VIOLATION, finished

from wavetank.reports.outputs.progress import BarProgress, LineProgress, progress_on
from wavetank.reports.outputs.run_text import first_line, render_session
from wavetank.reports.telling.story import STORY_LINES, render_story
from wavetank.scenarios import (
    INVARIANTS,
    FindingFound,
    Problem,
    ScenarioFinished,
    ScenarioProgress,
    fault_plan,
)
from wavetank.sim import Choice

RERUN = "wavetank run mixed --seed 0 --profile posix --backend builtin --max-images 9"

FOUND = FindingFound(
    CASE, Problem("O12", "acknowledged entry lost", "acknowledged entry lost: index 4"), 7
)


def clock(*times_s: float) -> Callable[[], float]:
    ticks = iter(times_s)
    return lambda: next(ticks)


def test_a_story_tells_promise_break_steps_loss_cause_cure_and_command() -> None:
    assert render_story(VIOLATION, CASE, max_images=9) == dedent(f"""\
        FAIL mixed-00112233: mixed, seed 0, posix, builtin
          promised  O12: {INVARIANTS["O12"]}
          broken    acknowledged entry lost: index 4
          steps     0: open the store
                    1: append entry 4 of term 1
          lost      step 1: size 3 of /store/log.dat
          why       step 1 ('append entry 4 of term 1') was acknowledged
          profiles  allowed by posix
          cure      no single sync would have prevented it
          rules     no single promise of a filesystem would forbid it
        Reproduce: wavetank replay mixed-00112233
        Elsewhere: first {RERUN}""")


def test_long_lists_are_cut_in_the_middle() -> None:
    steps = tuple(f"{number}: a step" for number in range(40))
    lost = tuple(f"op {number}" for number in range(9))
    lines = render_story(evolve(VIOLATION, steps=steps, lost=lost), CASE, max_images=9).splitlines()
    shown = [line[12:] for line in lines if "a step" in line or "more" in line]
    assert shown[:4] == ["0: a step", "1: a step", "2: a step", "... 29 more"]
    assert shown[4:12] == list(steps[-8:])
    assert shown[12:] == ["... 6 more"]


@given(
    sentence=st.text(max_size=2000),
    lines=st.lists(st.text(max_size=300), max_size=60).map(tuple),
)
def test_every_story_fits_on_a_screen(sentence: str, lines: tuple[str, ...]) -> None:
    story = render_story(
        evolve(
            VIOLATION,
            summary=sentence,
            why=sentence,
            cure=sentence,
            steps=lines,
            lost=lines,
            profiles=lines,
        ),
        CASE,
        max_images=9,
    )
    assert len(story.splitlines()) <= STORY_LINES
    assert max(map(len, story.splitlines())) <= 100


@given(
    width=st.integers(min_value=40, max_value=120),
    sentence=st.text(max_size=400),
    lines=st.lists(st.text(max_size=300), max_size=20).map(tuple),
)
def test_a_story_is_no_wider_than_the_terminal(
    width: int, sentence: str, lines: tuple[str, ...]
) -> None:
    changed = evolve(VIOLATION, summary=sentence, why=sentence, steps=lines, lost=lines)
    story = render_story(changed, CASE, max_images=9, width=width)
    assert max(map(len, story.splitlines())) <= width


def test_a_narrow_story_loses_nothing_and_its_commands_still_run() -> None:
    fault = fault_plan(["fsync log.dat #3: fail EIO ext4"])
    case = evolve(CASE, workload=evolve(CASE.workload, faults=fault))
    wide = render_story(evolve(VIOLATION, summary="word " * 50), case)
    narrow = render_story(evolve(VIOLATION, summary="word " * 50), case, width=50)
    assert narrow.count("word") == wide.count("word") == 50
    commands = (
        shlex.split(text.partition("Elsewhere: first ")[2].replace("\\\n", ""))
        for text in (wide, narrow)
    )
    assert len(set(map(tuple, commands))) == 1


def test_the_first_line_names_version_seeds_profiles_and_backend() -> None:
    assert first_line("1.2", PLAN) == (
        "wavetank 1.2, seed 0, profiles sequential, posix, backend builtin"
    )
    many = evolve(PLAN, seeds=(3, 4, 5), profiles=("posix",))
    assert first_line("1.2", many) == "wavetank 1.2, seeds 3:6, profile posix, backend builtin"


def test_a_passing_run_is_a_table_and_what_it_does_not_show() -> None:
    head, first, second, *rest = render_session(
        finished(RESULT, evolve(RESULT, name="log-conflict"))
    ).splitlines()
    assert head.split("  ")[0] == "scenario"
    assert head.endswith("crash points  legal  distinct  judged  complete  violations")
    assert first.split() == ["mixed", "0", "posix", "pass", "267", "?", "1000", "1000", "no", "0"]
    assert second.split() == ["log-conflict", *first.split()[1:]]
    assert {len(head), len(first), len(second)} == {len(head)}
    assert rest[:2] == [
        "",
        "PASS: 0 violations in 2 sweeps, 2000 images judged in 2.0 s (1 worker)",
    ]
    assert rest[2:] == ["Rows with complete=no skipped some legal crash images.", "digest ab"]


def test_a_choice_of_images_says_how_large_it_was_by_profile() -> None:
    chosen = evolve(RESULT, choice=Choice(points=3, ops=40, groups=7, sets=240))
    more = evolve(RESULT, choice=Choice(points=1, ops=9, groups=9, sets=24))
    lines = render_session(finished(chosen, more)).splitlines()
    assert lines[-2] == (
        "  posix: at 4 crash points up to 40 pending ops were taken for up to 9 groups of ops made "
        "alike; 264 sets of ops chosen"
    )


def test_a_complete_run_makes_no_reservation() -> None:
    lines = render_session(finished(evolve(RESULT, legal=1000, complete=True))).splitlines()
    assert lines[1].split()[-2:] == ["yes", "0"]
    assert not any("complete=no" in line for line in lines)


def test_images_left_over_are_counted() -> None:
    session = finished(evolve(RESULT, unjudged=7))
    limited = evolve(session.result, plan=evolve(PLAN, max_images=9))
    lines = render_session(evolve(session, result=limited)).splitlines()
    assert lines[3].startswith("INCONCLUSIVE: ")
    assert lines[4] == "The budget ended with 7 images unjudged (--max-images)."


def test_many_violations_are_listed_and_the_first_of_each_kind_are_told() -> None:
    kinds = ("a", "a", "b", "c", "d")
    found = tuple(
        evolve(VIOLATION, id=f"mixed-{number}", kind=kind) for number, kind in enumerate(kinds)
    )
    lines = render_session(
        finished(evolve(RESULT, violations=found, cases=(CASE,) * len(found)))
    ).splitlines()
    told = [line.split()[1].rstrip(":") for line in lines if line.startswith("FAIL mixed")]
    assert told == ["mixed-0", "mixed-2", "mixed-3"]
    start = lines.index("All 5 violations:")
    assert lines[start + 1 : start + 6] == [
        f"  mixed-{number}  O12  mixed seed 0 posix: {kind}" for number, kind in enumerate(kinds)
    ]


def test_lines_come_every_ten_seconds_at_most_and_are_plain() -> None:
    stream = io.StringIO()
    lines = LineProgress(stream, clock(100.0, 104.0, 111.0, 112.0, 113.0, 121.0))
    lines.start(PLAN)
    progress = ScenarioProgress(name="mixed", seed=0, profile="sequential", judged=50)
    lines.handle(progress)
    lines.handle(evolve(progress, profile="posix", judged=500))
    lines.handle(evolve(progress, profile="posix", judged=600))
    lines.handle(FOUND)
    lines.handle(ScenarioFinished(evolve(RESULT, name="log-conflict")))
    assert stream.getvalue().splitlines() == [
        "11 s: 1 of 4 sweeps done, 550 images judged (50/s), 0 violations; now mixed",
        "FOUND O12 in mixed seed 0 under posix after 7 images: acknowledged entry lost: index 4",
        "21 s: 2 of 4 sweeps done, 1650 images judged (79/s), 1 violations; now log-conflict",
    ]


def test_what_is_no_terminal_gets_lines() -> None:
    stream = io.StringIO()
    with progress_on(stream, color=True) as listener:
        listener.start(PLAN)
        assert isinstance(listener, LineProgress)
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_per_scenario() -> None:
    stream = Terminal()
    with progress_on(stream, color=False) as listener:
        assert isinstance(listener, BarProgress)
        listener.start(PLAN)
        listener.handle(ScenarioFinished(evolve(RESULT, profile="sequential")))
        listener.handle(FOUND)
        listener.handle(ScenarioFinished(evolve(RESULT, violations=(VIOLATION,), cases=(CASE,))))
    bars = [line for line in stream.getvalue().splitlines() if "mixed" in line or "log-" in line]
    mixed, other = bars[-2:]
    assert "mixed" in mixed
    assert "2000 images judged" in mixed
    assert "1 violations" in mixed
    assert "log-conflict" in other
    assert "waits" in other


def test_a_terminal_without_colour_gets_none() -> None:
    stream = Terminal()
    with progress_on(stream, color=False) as listener:
        listener.start(PLAN)
        listener.handle(FOUND)
    assert "\x1b[" in stream.getvalue()
    assert re.search(r"\x1b\[[0-9;]*m", stream.getvalue()) is None


def test_where_events_are_shown_there_is_no_progress() -> None:
    for stream in (Terminal(), io.StringIO()):
        with progress_on(stream, color=True, silent=True) as listener:
            listener.start(PLAN)
            listener.handle(FOUND)
        assert stream.getvalue() == ""


def test_under_many_profiles_each_scenario_says_on_which_it_is_safe() -> None:
    safe = [evolve(RESULT, profile=name, depth=2) for name in ("sequential", "ext4")]
    lost = evolve(RESULT, profile="posix", violations=(VIOLATION,), cases=(CASE,))
    text = render_session(finished(*safe, lost))
    assert (
        "mixed seed 0: safe on sequential, ext4; not shown safe on posix; "
        "last new image at depth 2\n"
    ) in text
    assert "safe on" not in render_session(finished(*safe))
