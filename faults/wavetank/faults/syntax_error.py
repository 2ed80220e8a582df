"""What is raised for a line that is no fault."""

from __future__ import annotations

__all__ = ["FaultSyntaxError"]


class FaultSyntaxError(ValueError):
    """A line that is no fault.

    Attributes:
        line: the line.
        column: where it goes wrong, from 1 on.
    """

    def __init__(self, problem: str, *, line: str, column: int) -> None:
        super().__init__(f"fault: {problem}, at column {column} of '{line}'")
        self.line = line
        self.column = column
