"""What the language can say is listed once, and the page has a row for each."""

import re
from pathlib import Path
from typing import Final, get_args

import pytest

from wavetank.faults import (
    VOCABULARY,
    FaultFamily,
    FaultWords,
    OperationKind,
    What,
    parse_fault,
)

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"


def says_what(words: FaultWords) -> bool:
    return words.example.endswith(f": {words.form}")


@pytest.mark.parametrize("words", VOCABULARY, ids=lambda words: words.form)
def test_the_line_of_some_words_has_them_and_is_a_fault(words: FaultWords) -> None:
    assert words.form in words.example
    assert str(parse_fault(words.example)) == words.example


def test_every_word_of_the_grammar_is_listed() -> None:
    grammar = PAGE.read_text("utf-8").split("\n## Grammar\n")[1].split("```")[1]
    words = {word for word in re.findall(r'"([^"]+)"', grammar) if re.search("[a-zA-Z<>]", word)}
    listed = " ".join(f"{each.example} {each.meaning}" for each in VOCABULARY)
    assert words - set(re.findall(r"[\w<>=-]+", listed)) == set()


def test_all_that_can_happen_is_listed() -> None:
    listed = {type(parse_fault(words.example).what) for words in VOCABULARY if says_what(words)}
    assert listed == set(get_args(What))


def test_the_page_has_a_row_for_all_that_can_happen_and_no_other() -> None:
    part = PAGE.read_text("utf-8").split("\n## What\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)
    forms = [words.form for words in VOCABULARY if says_what(words)]
    assert rows == [form for form in forms if form != "kill before then power cut"]


def test_what_can_happen_can_happen_to_operations_that_there_are() -> None:
    for words in VOCABULARY:
        kinds = parse_fault(words.example).what.kinds
        assert kinds is None or (kinds and set(kinds) <= set(OperationKind))


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
        ("any: evict", FaultFamily.DISTURBANCE),
    ],
)
def test_families(line: str, family: FaultFamily) -> None:
    fault = parse_fault(line)
    assert fault.family is family
    assert fault.damages is (family is FaultFamily.DAMAGE)
