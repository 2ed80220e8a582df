"""The suite on stores of plain Python code, which know nothing of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from plain_stores import (
    PLAIN,
    handle,
    handle_without_sync,
    lazy,
    plain,
    plain_without_directory_sync,
)

from wavetank.scenarios import Site
from wavetank.scenarios.conformance import Capability, Outcome, Scorecard, check_backend
from wavetank.sim import SEQUENTIAL

PAGE = Path(__file__).parents[3] / "docs" / "suite.md"


def failed(card: Scorecard) -> set[str]:
    return {result.id for result in card.results if result.outcome is Outcome.FAIL}


@pytest.mark.parametrize(
    ("store", "capabilities", "checks"),
    [
        pytest.param(
            plain,
            PLAIN,
            ["basics", "open_close", "torn.missing_tail_file", "concurrent", "crash"],
            marks=pytest.mark.minutes,
        ),
        pytest.param(
            handle,
            PLAIN - {Capability.REFUSES_GAPS},
            ["open_close", "crash"],
            marks=pytest.mark.minutes,
        ),
        (lazy, PLAIN, ["open_close", "crash"]),
    ],
)
def test_a_right_store_of_plain_python_is_not_reported(
    store: Callable[[Site], object], capabilities: frozenset[Capability], checks: list[str]
) -> None:
    card = check_backend(store, capabilities=capabilities, checks=checks, max_images=60)
    assert failed(card) == set()
    assert card["crash.lying_fsync_is_noticed"].outcome is Outcome.PASS


@pytest.mark.minutes
def test_a_rename_that_is_not_synced_is_found_and_its_cure_named() -> None:
    card = check_backend(
        plain_without_directory_sync,
        capabilities=PLAIN,
        checks=["crash"],
        profiles=[SEQUENTIAL],
        max_images=60,
    )
    assert "crash.acked_survives" in failed(card)
    assert "cure: a sync of the directory /store" in card["acked_survives"].reason


@pytest.mark.slow
def test_a_buffer_that_is_never_flushed_is_lost_when_the_process_is_killed() -> None:
    card = check_backend(handle_without_sync, capabilities=PLAIN, checks=["crash"])
    assert failed(card) == {"crash.acked_survives"}
    assert "kill the process" in card["acked_survives"].reason
    assert "no crash was tried" in card["removed_never_returns"].reason


@pytest.mark.minutes
def test_the_example_of_the_page_fails_as_the_page_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = PAGE.read_text(encoding="utf-8").partition("## A store with one bug")[2]
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    output = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert example is not None
    assert output is not None
    assert len(example[1].splitlines()) - example[1].count("\n\n") <= 30
    exec(compile(example[1], "docs/suite.md", "exec"), {})
    assert capsys.readouterr().out == output[1]
