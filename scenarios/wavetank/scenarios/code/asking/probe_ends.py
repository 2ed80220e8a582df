"""How one run of the user's check or observe function ended, as an `Answer`."""

from __future__ import annotations

import pickle
from collections.abc import Callable

from wavetank.scenarios.code.asking.answers import Answer, Raised
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.recording import absent_threads, finished_result
from wavetank.scenarios.code.user_code import (
    is_raised_in,
    is_told_by_pytest,
    user_place,
    user_traceback,
)
from wavetank.sim.python_files import Died, ProcessEnd

__all__ = ["answer_of_end", "called", "is_answer", "must_be_sent", "raised_by"]


def called(name: str, call: Callable[[], object]) -> object:
    """Call a probe to its end; an exit without an error status counts as one.

    Args:
        name: what it is called, such as "check".
        call: calls it.

    Raises:
        CheckError: it returned what nobody has run.
    """
    try:
        return finished_result(name, call())
    except SystemExit as exit_:
        if exit_.code:
            raise
        return None


def is_answer(error: BaseException) -> bool:
    """Whether an error is what the probe says of an image, and no wish to end the test."""
    if isinstance(error, CheckError):
        return False
    if isinstance(error, (Exception, SystemExit)):
        return True
    return is_told_by_pytest(error)


def raised_by(error: BaseException, probe: object, name: str) -> Raised:
    """Return what a probe raised, with its place in the user's code.

    Args:
        error: what was raised.
        probe: the user's function.
        name: what it is called, such as "check".
    """
    misspelt = isinstance(error, (NameError, ImportError)) and is_raised_in(error, probe)
    place, line = user_place(error)
    return Raised(
        sentence=f"{type(error).__name__}: {error}".rstrip(": "),
        place=place,
        line=line,
        traceback=user_traceback(error, name),
        is_misspelt=misspelt,
    )


def answer_of_end(end: ProcessEnd, name: str) -> Answer:
    """Return what the end of a process without an answer says of its image."""
    if isinstance(end, Died):
        sentence = f"the process of the {name} {end.how}"
        raised = Raised(sentence=sentence, place="", line="", traceback=sentence, is_misspelt=False)
        return Answer(raised=raised)
    if not end.for_ever:
        return Answer(is_slow=True)
    return Answer(endless=f"it waits for ever{absent_threads(end.absent)}")


def must_be_sent(value: object, name: str) -> None:
    """Refuse what a probe returned if no other process can be told.

    Raises:
        CheckError: it cannot be pickled.
    """
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - our own words
    except Exception as error:
        raise CheckError(
            f"{name}: expected what can be sent to another process but it returned "
            f"{value!r} ({type(error).__name__}: {error}); return plain values, or use "
            f'isolation="none"'
        ) from error
