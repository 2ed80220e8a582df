"""The order in which the calls of several threads count.

What overlaps may have happened in either order. A sync covers only what was finished before it
began, so it counts where it began; everything else counts where it ended. The calls of a new thread
count after the fork that made it, even where strace tells of them first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from attrs import define, frozen

from wavetank.sim.traces.strace.system_calls import (
    CallBegun,
    Superseded,
    SystemCall,
    ThreadEnd,
    TraceEvent,
)
from wavetank.sim.traces.trace import TraceError

__all__ = ["EffectiveOrder", "Forked", "OrderedEvent"]

_FORKS: Final = frozenset({"fork", "vfork", "clone", "clone3"})


@frozen(kw_only=True)
class Forked:
    """A thread has made another.

    Attributes:
        pid: the thread that was there.
        child: the new one.
        name: the call that made it.
        arguments: the text of its arguments, as far as it is known.
        line: of the trace.
    """

    pid: int
    child: int
    name: str
    arguments: str
    line: int


OrderedEvent: TypeAlias = TraceEvent | Forked


@define(eq=False)
class _Slot:
    """A place in the order; None until what takes it is known."""

    event: OrderedEvent | None


class EffectiveOrder:
    """Puts events in the order in which they count, as they come.

    Args:
        is_sync: whether a call that has begun promises durability.
    """

    def __init__(self, is_sync: Callable[[CallBegun], bool]) -> None:
        self._is_sync = is_sync
        self._queue: deque[_Slot] = deque()
        self._slots: dict[int, _Slot] = {}
        self._known: set[int] = set()
        # Forks that have begun, by parent; children that have not been seen yet.
        self._begun: dict[int, CallBegun] = {}
        self._unseen: set[int] = set()
        self._waiting: dict[int, list[TraceEvent]] = {}

    def take(self, event: TraceEvent) -> Iterator[OrderedEvent]:
        """Yield the events that this one leaves nothing to wait for."""
        self._adopt(event)
        while self._queue and self._queue[0].event is not None:
            ready = self._queue.popleft().event
            assert ready is not None
            yield ready

    def finish(self) -> Iterator[OrderedEvent]:
        """Yield what is left when no more will come.

        Raises:
            TraceError: a thread came from nowhere.
        """
        for pid, events in self._waiting.items():
            raise TraceError(
                f"line {events[0].line}: expected threads that others made but process {pid} "
                f"came from nowhere"
            )
        yield from (slot.event for slot in self._queue if slot.event is not None)
        self._queue.clear()

    def _adopt(self, event: TraceEvent) -> None:
        if not self._known:
            self._known.add(event.pid)
        self._unseen.discard(event.pid)
        if event.pid not in self._known and not self._find_parent(event.pid):
            self._waiting.setdefault(event.pid, []).append(event)
            return
        self._place(event)

    def _find_parent(self, pid: int) -> bool:
        """Make a new thread known if its fork was seen; its pid may differ in a namespace."""
        if len(self._begun) == 1:
            parent, begun = self._begun.popitem()
            self._fork(begun, parent, pid)
            return True
        if not self._begun and len(self._unseen) == 1:
            inner = self._unseen.pop()
            self._known.discard(inner)
            self._known.add(pid)
            self._queue.append(_Slot(Superseded(pid=pid, by=inner, line=0)))
            return True
        return False

    def _fork(self, call: CallBegun | SystemCall, parent: int, child: int) -> None:
        self._known.add(child)
        text = call.arguments if isinstance(call, CallBegun) else ", ".join(call.arguments)
        forked = Forked(pid=parent, child=child, name=call.name, arguments=text, line=call.line)
        self._queue.append(_Slot(forked))

    def _place(self, event: TraceEvent) -> None:
        if isinstance(event, CallBegun):
            if event.name in _FORKS:
                self._begun[event.pid] = event
            if self._is_sync(event):
                slot = self._slots[event.pid] = _Slot(None)
                self._queue.append(slot)
                return
        elif isinstance(event, Superseded):
            self._known.discard(event.by)
            self._slots.pop(event.pid, None)
        elif isinstance(event, ThreadEnd):
            self._known.discard(event.pid)
            self._begun.pop(event.pid, None)
        elif event.name in _FORKS:
            self._forked(event)
        slot_of_sync = self._slots.pop(event.pid, None)
        if slot_of_sync is None:
            self._queue.append(_Slot(event))
        else:
            slot_of_sync.event = event

    def _forked(self, call: SystemCall) -> None:
        was_begun, is_new = call.begun != call.line, self._begun.pop(call.pid, None) is not None
        if not call.has_succeeded or not call.result or (was_begun and not is_new):
            return
        self._fork(call, call.pid, call.result)
        held = self._waiting.pop(call.result, None)
        if held is None:
            self._unseen.add(call.result)
            return
        for event in held:
            self._place(event)
