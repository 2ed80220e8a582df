"""asyncio in virtual time: an event loop whose waits cost nothing, and that knows no sockets.

Where an executor works for the loop, its threads are tasks of the same scheduler.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context
from itertools import count
from typing import Any, Final, NoReturn, TypeVar

from wavetank.sim.python_files.errors import UnroutedCallError
from wavetank.sim.python_files.threads.task_threads import TaskThreads
from wavetank.sim.scheduling.scheduler import Access

__all__ = ["VirtualLoop", "virtual_loops"]

_T = TypeVar("_T")

_LOOP: Final = Access.to("event loop")
_NUMBER: Final = "_wavetank_number"
_EAGER: Final = 100
"""Rounds in a row without a wait after which time passes, so that loops with a deadline end."""
_ROUND_S: Final = 0.001
_SOCKETS: Final = (
    *("add_reader", "add_writer", "remove_reader", "remove_writer", "getaddrinfo", "getnameinfo"),
    *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall"),
    *("sock_sendto", "sock_connect", "sock_accept", "sock_sendfile", "sendfile", "start_tls"),
    *("create_connection", "create_server", "create_datagram_endpoint", "create_unix_connection"),
    *("create_unix_server", "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe"),
)
_PROCESSES: Final = ("subprocess_exec", "subprocess_shell")


class _Selector:
    """Stands for the selector of an event loop: what it waits for is time, or another thread."""

    def __init__(self, threads: TaskThreads) -> None:
        self._threads = threads
        self._waiter: int | None = None
        self._is_woken = False
        self._rounds = 0

    def select(self, timeout: float | None) -> list[object]:
        """Wait for so many seconds, or until `wake`."""
        scheduler = self._threads.here()
        if scheduler is None or self._is_woken or (timeout is not None and timeout <= 0):
            self._go_round()
            return []
        self._rounds = 0
        self._waiter = scheduler.running.number
        try:
            scheduler.take_turn(
                lambda: "a callback of its event loop", _LOOP, is_ready=False, timeout_s=timeout
            )
        finally:
            self._waiter = None
            self._is_woken = False
        return []

    def _go_round(self) -> None:
        self._is_woken = False
        self._threads.pause(_LOOP)
        self._rounds += 1
        scheduler = self._threads.here()
        if self._rounds > _EAGER and scheduler is not None:
            scheduler.pass_time(_ROUND_S)

    def wake(self) -> None:
        """End the wait; another thread may call it."""
        self._is_woken = True
        scheduler = self._threads.here()
        if scheduler is not None and self._waiter is not None:
            scheduler.wake(self._waiter)


class _NumberedFuture(asyncio.Future[_T]):
    """A future whose hash is a number, so that sets of futures have the same order in each run."""

    def __hash__(self) -> int:
        return _number_of(self)


class _NumberedTask(asyncio.Task[_T]):
    """A task whose hash is a number."""

    def __hash__(self) -> int:
        return _number_of(self)


def _number_of(future: asyncio.Future[Any]) -> int:
    # The hash is asked for before `__init__` has come to an end.
    loop = future.get_loop()
    assert isinstance(loop, VirtualLoop), "only such a loop makes it"
    known: int | None = getattr(future, _NUMBER, None)
    if known is None:
        known = next(loop.numbers)
        setattr(future, _NUMBER, known)
    return known


class VirtualLoop(base_events.BaseEventLoop):
    """An event loop of a task.

    Args:
        threads: the tasks.
        refuse: makes and remembers the error about what is not simulated.

    Attributes:
        numbers: for its futures.
    """

    def __init__(self, threads: TaskThreads, refuse: Callable[[str], UnroutedCallError]) -> None:
        super().__init__()
        self.numbers: Iterator[int] = count(1)
        self._names = count(1)
        self._threads = threads
        self._refuse = refuse
        self._selector = _Selector(threads)

    def time(self) -> float:
        """Return the virtual seconds of the process."""
        scheduler = self._threads.scheduler
        return 0.0 if scheduler is None else scheduler.now_s

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio.loop.create_future`."""
        return _NumberedFuture(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
        **more: Any,  # noqa: ANN401 - what newer releases take
    ) -> asyncio.Task[_T]:
        """See `asyncio.loop.create_task`."""
        if self.get_task_factory() is not None:
            return super().create_task(coro, name=name, context=context, **more)
        self._check_closed()  # type: ignore[attr-defined]
        told = f"Task-{next(self._names)}" if name is None else str(name)
        return _NumberedTask(coro, loop=self, name=told, context=context, **more)

    def add_signal_handler(self, *_: object) -> NoReturn:
        """See `asyncio.loop.add_signal_handler`; there are none."""
        raise NotImplementedError("no signal comes to a simulated process")

    def _process_events(self, event_list: list[object]) -> None:
        del event_list

    def _write_to_self(self) -> None:
        self._selector.wake()


def _refusal(name: str, why: str) -> Callable[..., NoReturn]:
    def call(loop: VirtualLoop, *_: object, **__: object) -> NoReturn:
        raise loop._refuse(f"asyncio: {name}: {why}")  # noqa: SLF001 - it becomes a method of it

    return call


for _name in _SOCKETS:
    setattr(
        VirtualLoop,
        _name,
        _refusal(
            _name,
            "expected no sockets or pipes, since nobody is at their other end; test "
            "what reads from them with a value in their place",
        ),
    )
for _name in _PROCESSES:
    setattr(
        VirtualLoop,
        _name,
        _refusal(
            _name,
            "expected no other process, since no simulated disk sees one; call what "
            "the program does as a function",
        ),
    )


@contextmanager
def virtual_loops(
    threads: TaskThreads, refuse: Callable[[str], UnroutedCallError]
) -> Iterator[None]:
    """Let tasks that make an event loop get one in virtual time.

    Args:
        threads: the tasks.
        refuse: makes and remembers the error about what is not simulated.
    """
    before = asyncio.get_event_loop_policy()

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            if threads.here() is None:
                return before.new_event_loop()
            return VirtualLoop(threads, refuse)

    asyncio.set_event_loop_policy(Policy())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)
