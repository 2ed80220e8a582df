"""Lines ``ACK token``, in however many pieces they are written."""

from __future__ import annotations

from typing import Final

from wavetank.sim.traces.trace import TraceError

__all__ = ["AckLines"]

_WORD: Final = b"ACK "


class AckLines:
    r"""Finds what is acknowledged among the lines that a program writes.

    Lines that do not begin with ``ACK`` are ignored: acknowledgements may stand among other output.

    >>> lines = AckLines()
    >>> lines.hear(b"ready\nACK 1\nAC"), lines.hear(b"K two words\n")
    (['1'], ['two words'])
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def hear(self, content: bytes) -> list[str]:
        """Return the tokens of the lines that end here.

        Raises:
            ValueError: a line has no token.
        """
        if b"\n" not in content:
            self._rest += content
            return []
        *lines, self._rest = (self._rest + content).split(b"\n")
        found = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if text == _WORD.strip() or (text.startswith(_WORD) and not text[4:].strip()):
                raise ValueError(f"expected a token behind ACK but got {line!r}")
            if text.startswith(_WORD):
                found.append(text[len(_WORD) :].strip().decode("utf-8", "surrogateescape"))
        return found

    def finish(self) -> None:
        """Refuse an acknowledgement that has no end.

        Raises:
            TraceError: the last line begins one, and no newline ends it.
        """
        if self._rest.startswith(_WORD):
            raise TraceError(
                f"acks: expected a newline behind the last acknowledgement but got {self._rest!r}"
            )
