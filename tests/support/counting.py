"""Count what a call does, as a measure that no machine's load can change."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(call: Callable[[], object]) -> int:
    """Return how many lines of Python code a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - the interpreter's own signature
        nonlocal count
        del frame
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def calls_made(call: Callable[[], object]) -> int:
    """Return how many functions a call calls, those written in C among them."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        del frame
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(trace)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count
