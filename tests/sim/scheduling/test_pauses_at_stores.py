"""At the grain of stores, tasks pause around the statements that change what they may share."""

import sys
from types import ModuleType

import pytest

from wavetank.sim.scheduling.statements import StatementPauses

SOURCE = """
class Counter:
    def __init__(self):
        self.count = 0
        self.seen = []

    def grow(self):
        count = self.count
        one = 1
        self.count = count + one
        print_nothing = None
        more = None
        self.seen.append(count)
"""


@pytest.fixture
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("code") / "counter_under_test.py"
    path.write_text(SOURCE, encoding="utf-8")
    found = ModuleType("counter_under_test")
    found.__file__ = str(path)
    exec(compile(SOURCE, str(path), "exec"), vars(found))
    return found


def test_stores_are_a_part_of_all_statements(module: ModuleType) -> None:
    counter = module.Counter()
    lines: list[int] = []

    def pause() -> None:
        lines.append(sys._getframe(1).f_lineno)

    with StatementPauses([module]) as pauses:
        pauses.call(pause)
        counter.grow()
        everywhere, lines = lines, []
        pauses.call(pause, at_stores=True)
        counter.grow()
    assert everywhere == [8, 9, 10, 11, 12, 13]
    assert lines == [10, 11, 13]
