"""Python checks on real directories: each in a fork that takes everything with it."""

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from traced.images import data_image

from wavetank.scenarios import CheckError
from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.traced import FunctionRuns, ImageProbing
from wavetank.sim.python_files import SimulatedDirectory

Check = Callable[[SimulatedDirectory, list[object]], object]


@contextmanager
def running(check: Check, *, limit_s: float = 30.0) -> Iterator[FunctionRuns]:
    runs = FunctionRuns(check, "check", "/data", ("one", "two"), limit_s=limit_s)
    with runs:
        yield runs


def answer(check: Check, content: bytes = b"x", *, limit_s: float = 30.0) -> Answer:
    with running(check, limit_s=limit_s) as runs:
        (found,) = runs.run([data_image(f=content)], 2)
        return found


def test_a_check_sees_the_image_and_what_was_acknowledged() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> object:
        return f"{(directory / 'f').read_text()} {acked} in {directory}"

    assert answer(check).value == "x ['one', 'two'] in data"


def test_images_are_checked_in_their_order_with_nothing_of_each_other() -> None:
    seen: list[str] = []

    def check(directory: SimulatedDirectory, _: list[object]) -> object:
        seen.append((directory / "f").read_text())
        names = sorted(path.name for path in directory.iterdir())
        with (directory / "f").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:1] = b"#"
        (directory / "left").touch()
        return seen, names

    with running(check) as runs:
        letters = [b"%d" % number for number in range(9)]
        found = runs.run([data_image(f=each) for each in letters], 0)
    assert [each.value for each in found] == [([f"{number}"], ["f"]) for number in range(9)]
    assert seen == []


def test_an_error_has_its_place_and_line() -> None:
    def check(directory: SimulatedDirectory, _: list[object]) -> object:
        return (directory / "none").read_text()

    raised = answer(check).raised
    assert raised is not None
    assert raised.sentence == "FileNotFoundError: [Errno 2] No such file or directory: 'data/none'"
    assert raised.place.endswith(" in check")
    assert raised.line == 'return (directory / "none").read_text()'
    assert not raised.is_misspelt


def test_a_check_that_dies_complains_and_one_that_does_not_end_is_slow() -> None:
    def dies(directory: SimulatedDirectory, _: list[object]) -> object:
        os.kill(os.getpid(), signal.SIGKILL)
        return directory

    def sleeps(directory: SimulatedDirectory, _: list[object]) -> object:
        time.sleep(600)
        return directory

    raised = answer(dies).raised
    assert raised is not None
    assert raised.sentence == "the process of the check was killed by SIGKILL"
    assert answer(sleeps, limit_s=0.2) == Answer(is_slow=True)


def test_there_is_nothing_to_read_and_an_exit_without_error_is_an_end() -> None:
    def check(_: SimulatedDirectory, __: list[object]) -> object:
        assert os.read(0, 10) == b""
        sys.exit(0)

    assert answer(check) == Answer()


def test_what_cannot_be_sent_is_told() -> None:
    def check(_: SimulatedDirectory, __: list[object]) -> object:
        return lambda: None

    with pytest.raises(CheckError, match=r"^check: expected what can be sent to another process"):
        answer(check)


@pytest.mark.parametrize(("in_session", "dies"), [(True, True), (True, False), (False, False)])
def test_nothing_that_a_check_starts_outlives_it(*, in_session: bool, dies: bool) -> None:
    """All that holds the pipe is dead when its end is read.

    A daemon whose parent dies at once is left: nobody knows whose it was.
    """
    reader, writer = os.pipe()

    def check(_: SimulatedDirectory, __: list[object]) -> object:
        os.close(reader)
        if not os.fork():
            if not in_session:
                os.setsid()
            os.fork()
            time.sleep(600)
        time.sleep(0.1)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return None

    with running(check) as runs:
        (found,) = runs.run([data_image(f=b"")], 0)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert (found.raised is not None) is dies


def test_each_image_is_checked_once_and_the_directory_is_gone_at_the_end() -> None:
    def check(directory: SimulatedDirectory, acked: list[object]) -> object:
        return [f"{directory.parent.parent}", len(acked)]

    with running(check) as runs:
        probing = ImageProbing(runs)
        images = [data_image(f=b"1"), data_image(f=b"2")] * 2
        probing.prepare(images, 1)
        places = {str(probing.answer(each, 1).value) for each in images}
        assert probing.runs == 2
        assert len(places) == 1
        room = Path(places.pop().split("'")[1])
        assert room.is_dir()
    assert not room.exists()
