"""The summary in Markdown: a table of scenarios by profiles, and what was found."""

from attrs import evolve
from session_examples import CASE, PLAN, RESULT, VIOLATION, finished

from wavetank.reports.outputs.markdown import run_markdown
from wavetank.reports.runs.session import untouched


def test_a_run_is_a_table_and_its_violations() -> None:
    strange = evolve(VIOLATION, summary="a|b <c>\n*d*")
    lost = evolve(RESULT, profile="ext4", violations=(strange,), cases=(CASE,))
    other = evolve(RESULT, name="log_conflict", options=("json_log",), unjudged=3)
    assert run_markdown(finished(RESULT, lost, other), "1.2").splitlines() == [
        "## wavetank: fail",
        "",
        (
            "wavetank 1.2, seed 0, backend `builtin`: "
            "1 violations in 3 sweeps, 3000 images judged in 2.0 s"
        ),
        "",
        "| scenario | seed | posix | ext4 |",
        "|---|---|---|---|",
        "| mixed | 0 | pass | **fail** (1) |",
        r"| log\_conflict \[json\_log\] | 0 | inconclusive |  |",
        "",
        "| violation | where | what | see it again |",
        "|---|---|---|---|",
        (
            r"| mixed-00112233 | mixed seed 0 posix | O12: a\|b \<c\> \*d\* | "
            "`wavetank replay mixed-00112233` |"
        ),
    ]


def test_what_was_not_run_is_said() -> None:
    lines = run_markdown(untouched(PLAN), "1.2").splitlines()
    assert lines[0] == "## wavetank: inconclusive"
    assert lines[-1] == "Not finished: 2 scenarios with their seeds remain."
