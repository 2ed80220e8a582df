"""docs/design-document.md answers for every promise, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

TESTS: Final = Path(__file__).parent
PAGE: Final = (TESTS.parent / "docs" / "design-document.md").read_text(encoding="utf-8")
NAMED: Final = re.compile(r"`([\w/]+\.py)::(\w+)`")


@frozen
class Row:
    """One promise."""

    number: str
    promise: str
    verdict: str
    ground: str


ROWS: Final = [
    Row(*(cell.strip() for cell in line.strip("|").split(" | ")))
    for line in PAGE.splitlines()
    if re.match(r"\| \d", line)
]


@cache
def functions_of(path: Path) -> dict[str, bool]:
    """Return the functions of a test file, and whether each is run only if asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: any(ast.unparse(each) == "pytest.mark.minutes" for each in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


def test_every_section_is_there() -> None:
    assert re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE) == [
        "1. Overview",
        "2. Key Features",
        "3. Architecture and Design",
        "Components",
        "File Layout",
        "4. Public API",
        "5. Configuration",
        "6. Quick Start",
    ]
    tables = PAGE.split("\n#")[1:]
    assert [bool(re.search(r"^\| \d", table, re.MULTILINE)) for table in tables] == [True] * 8


def test_promises_are_numbered_without_a_gap() -> None:
    sections: dict[str, list[int]] = {}
    for row in ROWS:
        section, _, number = row.number.partition(".")
        sections.setdefault(section, []).append(int(number))
    assert list(sections) == ["1", "2", "3", "4", "5", "6"]
    for section, numbers in sections.items():
        assert numbers == list(range(1, len(numbers) + 1)), section
    assert len(ROWS) > 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_promise_is_kept_with_a_test_or_changed_with_a_reason(row: Row) -> None:
    assert row.promise
    named = NAMED.findall(row.ground)
    assert row.ground.count("::") == len(named)
    for file, test in named:
        assert test.startswith("test_")
        assert (TESTS / file).is_file(), file
        assert test in functions_of(TESTS / file), test
    if row.verdict == "kept":
        assert not all(functions_of(TESTS / file)[test] for file, test in named)
    else:
        assert row.verdict == "changed"
        assert len(NAMED.sub("", row.ground).split()) > 8
