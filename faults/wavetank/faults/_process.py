"""What the files of one `FaultyFileSystem` share: one process, its surroundings, and its end.

Left out: what is special to bytes and syncs (faulty_file.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from os import strerror  # noqa: TID251 - the words for an errno, no system call
from typing import NoReturn, TypeVar

from wavetank.engine import File, FileSystem, OpenFlag
from wavetank.faults._overlay import Overlay
from wavetank.faults.crashes import Crash, CrashSignal, Moment
from wavetank.faults.damages import LostWrite, Misdirected, SyncLie, TornWrite
from wavetank.faults.disturbances import ClockJump, Evict, Stall
from wavetank.faults.failures import Fail, When
from wavetank.faults.fault import BlockDamage, FileDamage, Struck
from wavetank.faults.injector import FaultInjector
from wavetank.faults.operation import Operation
from wavetank.faults.surroundings import ClockHooks, DiskHooks

__all__ = ["Process", "error"]

_Result = TypeVar("_Result")


class Process:
    """A process that works on a filesystem, as a plan lets it.

    Args:
        inner: the filesystem below.
        injector: what goes wrong.
        disk: below `inner`, if it is simulated.
        clock: of the run, if it is simulated.

    Attributes:
        inner: the filesystem below, with the damage that lies on it.
        injector: what goes wrong.
        open_files: how many descriptors it has.
        signal: how it has ended; None while it runs.
        spoils_writes: whether a write may land elsewhere than it says.
    """

    def __init__(
        self,
        inner: FileSystem,
        injector: FaultInjector,
        disk: DiskHooks | None,
        clock: ClockHooks | None,
    ) -> None:
        _check_hooks(injector, disk, clock)
        self._below = inner
        lies = any(
            isinstance(fault.what, BlockDamage | FileDamage) for fault in injector.plan.faults
        )
        self.inner: FileSystem = Overlay(inner, injector.at_rest) if lies else inner
        self.injector = injector
        self.open_files = 0
        self.signal: CrashSignal | None = None
        self.spoils_writes = any(
            isinstance(fault.what, (TornWrite, LostWrite, Misdirected))
            for fault in injector.plan.faults
        )
        self._disk = disk
        self._clock = clock

    def strike(self, operation: Operation) -> Struck | None:
        """Return what is to go wrong with an operation, and do what happens before it."""
        if self.signal is not None:
            raise self.signal
        for disturbance in self.injector.disturbances(operation, self._below):
            self._disturb(disturbance)
        return self.injector.strike(operation, self._below)

    def shown(self, operation: Operation, data: bytes) -> bytes:
        """Return what a read shows of the bytes that it found."""
        return self.injector.shown(operation, data, self._below)

    def open_beside(self, path: str, flags: OpenFlag) -> File:
        """Open a file for a purpose of which the program knows nothing."""
        if isinstance(self.inner, Overlay):
            return self.inner.open_beside(path, flags)
        return self.inner.open(path, flags)

    def do(self, operation: Operation, act: Callable[[], _Result]) -> _Result:
        """Do what moves no bytes and is no sync, or refuse it, as the plan says."""
        struck = self.strike(operation)
        return act() if struck is None else self.refuse(struck, operation, act)

    def refuse(self, struck: Struck, operation: Operation, act: Callable[[], object]) -> NoReturn:
        """Let an operation fail or crash, after its effect if the plan says so."""
        if isinstance(struck, Crash):
            if struck.moment is not Moment.BEFORE:
                with suppress(OSError):
                    act()
            self.end(struck, operation)
        assert isinstance(struck, Fail), f"only bytes and syncs can suffer '{struck}'"
        if struck.when is When.AFTER:
            act()
        raise error(struck, operation)

    def sync(self, operation: Operation, sync: Callable[[], None]) -> None:
        """Make something durable, or not, as the plan says."""
        struck = self.strike(operation)
        if isinstance(struck, SyncLie):
            return
        if isinstance(struck, Crash):
            if struck.moment is Moment.AFTER:
                with suppress(OSError):
                    sync()
            self.end(struck, operation)
        if struck is None:
            sync()
            return
        assert isinstance(struck, Fail), f"only bytes can suffer '{struck}'"
        if struck.machine is not None:
            assert self._disk is not None, "checked when the process began"
            self._disk.fail_next_sync(struck.machine, path=operation.paths[0])
        if struck.machine is not None or struck.when is When.AFTER:
            sync()
        if struck.machine is None:
            raise error(struck, operation)

    def end(self, crash: Crash, operation: Operation) -> NoReturn:
        """Let the process end here."""
        self.signal = CrashSignal(crash, str(operation))
        raise self.signal

    def _disturb(self, disturbance: Evict | Stall | ClockJump) -> None:
        if isinstance(disturbance, Evict):
            assert self._disk is not None, "checked when the process began"
            self._disk.evict()
            return
        assert self._clock is not None, "checked when the process began"
        if isinstance(disturbance, Stall):
            self._clock.sleep(disturbance.duration_ms / 1000)
        else:
            self._clock.jump_wall_clock(disturbance.jump_s)


def error(fail: Fail, operation: Operation) -> OSError:
    """Return what an operation reports."""
    return OSError(fail.error.value, strerror(fail.error.value), operation.paths[0])


def _check_hooks(injector: FaultInjector, disk: DiskHooks | None, clock: ClockHooks | None) -> None:
    for fault in injector.plan.faults:
        what = fault.what
        if disk is None and isinstance(what, Fail) and what.machine is not None:
            raise ValueError(
                f"disk: expected a simulated disk for '{fault}' but got none; without "
                f"'{what.machine.value}' the sync fails before any effect"
            )
        if disk is None and isinstance(what, Evict):
            raise ValueError(
                f"disk: expected a simulated disk for '{fault}' but got none; a real cache drops "
                f"its pages when it likes"
            )
        if clock is None and isinstance(what, (Stall, ClockJump)):
            raise ValueError(
                f"clock: expected a simulated clock for '{fault}' but got none; give the run's "
                f"SerialRuntime"
            )
