"""asyncio of unmodified code: an event loop in virtual time."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from wavetank.sim import SimDisk
from wavetank.sim.python_files import PythonFiles, UnroutedCallError
from wavetank.sim.scheduling.strategies import RandomChoice, Strategy


def run(
    code: Callable[[Path], Coroutine[Any, Any, object]], strategy: Strategy | None = None
) -> object:
    """Run a coroutine function as a process and return what it returns."""
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk, strategy=strategy):
            return asyncio.run(code(Path(files.directory)))


def test_sleeps_timers_and_timeouts_are_exact() -> None:
    async def code(_: Path) -> list[object]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        told: list[object] = []
        loop.call_later(5, lambda: told.append(("later", loop.time() - start)))
        await asyncio.sleep(10)
        told.append(loop.time() - start)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        told.append(loop.time() - start)
        return told

    assert run(code) == [("later", 5.0), 10.0, 3610.0]


@pytest.mark.slow
def test_executors_work_on_scheduled_threads() -> None:
    async def code(directory: Path) -> list[object]:
        loop = asyncio.get_running_loop()

        def write(name: str) -> str:
            time.sleep(len(name))
            (directory / name).write_text(name)
            return threading.current_thread().name

        names = await asyncio.gather(
            loop.run_in_executor(None, write, "abc"), asyncio.to_thread(write, "a")
        )
        return [*names, sorted(await asyncio.to_thread(os.listdir, directory)), round(loop.time())]

    for seed in range(3):
        assert run(code, RandomChoice(seed)) == ["asyncio_0", "asyncio_1", ["a", "abc"], 3]


@pytest.mark.slow
def test_sets_of_tasks_have_the_same_order_each_time() -> None:
    async def code(_: Path) -> list[str]:
        tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(20)]
        done, _pending = await asyncio.wait(tasks)
        return [task.get_name() for task in done]

    assert run(code) == run(code)


@pytest.mark.slow
def test_a_coroutine_that_yields_until_a_deadline_reaches_it() -> None:
    async def code(_: Path) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 1
        while loop.time() < deadline:  # noqa: ASYNC110 - what is tested
            await asyncio.sleep(0)
        return True

    assert run(code)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: asyncio.open_connection("localhost", 1), "create_connection: expected no sockets"),
        (lambda: asyncio.create_subprocess_exec("true"), "subprocess_exec: expected no other"),
    ],
)
def test_sockets_and_subprocesses_are_refused(
    call: Callable[[], Coroutine[Any, Any, object]], words: str
) -> None:
    async def code(_: Path) -> None:
        await call()

    with pytest.raises(UnroutedCallError, match=words):
        run(code)


@pytest.mark.slow
def test_a_loop_outside_is_a_real_one() -> None:
    with PythonFiles():
        loop = asyncio.new_event_loop()
        loop.close()
    assert isinstance(loop, asyncio.SelectorEventLoop)
