"""How long a person is ready to wait for an exploration."""

import time

import pytest

from wavetank.sim.python_files import Deadline


def test_the_time_counts_from_the_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    deadline = Deadline(5.0)
    now[0] = 60.0  # a program was recorded meanwhile
    assert not deadline.is_over()
    now[0] = 64.5
    assert not deadline.is_over()
    now[0] = 65.0
    assert deadline.is_over()
