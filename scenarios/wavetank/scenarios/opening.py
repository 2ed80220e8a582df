"""A store is opened on an image and asked everything; what comes of it is remembered.

`Openings` opens stores for all sweeps over one recording, whatever their profiles: what a store
does on an image depends on the image alone. Stores are deterministic, so even images that differ
need only one opening if they are equal wherever the store looked. Verified here: O7 (it opens) and
O10 (no litter). Left out: giving the store work (recovery.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import Storage, StorageError
from wavetank.scenarios.backend import Backend, Site
from wavetank.scenarios.contract import Contract
from wavetank.scenarios.observation import Observation, Problem, observe
from wavetank.scenarios.recording import STORE_DIRECTORY
from wavetank.scenarios.steps import Workload
from wavetank.sim import (
    DiskImage,
    ReadMemory,
    ReadTrace,
    Record,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["LiveStore", "Opening", "Openings", "Refusal"]

_LITTER: Final = (".tmp", "snapshot.marker")


@frozen
class LiveStore:
    """An open store and the machine's disk, with the log of all that it did so far."""

    store: Storage
    disk: SimDisk


@frozen
class Refusal:
    """A store that did not open: the error's type and text, and whether it had kept that right."""

    kind: str
    text: str
    is_allowed: bool


@frozen(kw_only=True)
class Opening:
    """What comes of opening a store on an image.

    Attributes:
        observation: what it shows; None if it did not open.
        refusal: why it did not open; None if it did.
        problems: what is wrong whatever was acknowledged before the crash.
        log: what opening did to the disk, without what came after.
        live: the store, if it was opened just now and not remembered.
    """

    observation: Observation | None
    refusal: Refusal | None
    problems: tuple[Problem, ...]
    log: tuple[Record, ...]
    live: LiveStore | None = None


class Openings:
    """Opens stores on the images of one workload.

    Args:
        workload: whose options the stores are opened with.
        backend: the store.
        reads: told of everything that the stores look at; nothing is remembered then, since what
            is remembered is not looked at again.

    Attributes:
        count: how many stores were opened.
    """

    def __init__(
        self, workload: Workload, backend: Backend, *, reads: ReadTrace | None = None
    ) -> None:
        self.count = 0
        self._workload = workload
        self._backend = backend
        self._reads = reads
        self._memory: ReadMemory[Opening] = ReadMemory()
        # Equal logs and showings are kept once.
        self._logs: dict[tuple[Record, ...], tuple[Record, ...]] = {}
        self._shown: dict[Observation, Observation] = {}

    def open(self, image: DiskImage, *, first: int = 0) -> Opening:
        """Return what comes of opening a store on `image`, by trying if it is not known.

        Args:
            image: the disk; after a kill, with all that was in the cache.
            first: calls and micro-ops are counted from here, for a log that continues another.
        """
        known = None if self._reads is not None else self._memory.recall(image, first=first)
        return known or self.open_anew(image, first=first)

    def open_anew(self, image: DiskImage, *, first: int = 0) -> Opening:
        """Open a store on `image` in any case, so that it can be given work."""
        self.count += 1
        reads = ReadTrace() if self._reads is None else self._reads
        disk = SimDisk(image, first_call=first, first_number=first, reads=reads)
        opening = self._try(disk)
        if self._reads is None:
            self._memory.remember(image, reads.cells, evolve(opening, live=None), first=first)
        return opening

    def _try(self, disk: SimDisk) -> Opening:
        site = Site(
            fs=SimFileSystem(disk),
            runtime=SerialRuntime(self._workload.seed),
            directory=STORE_DIRECTORY,
            options=self._workload.options,
        )
        try:
            store = self._backend.open(site)
            length = len(disk.log)
            seen = observe(store)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            allowed = Contract.of(self._workload.options).allows_refusal(error)
            return Opening(
                observation=None,
                refusal=Refusal(type(error).__name__, str(error), allowed),
                problems=() if allowed else (_refused(error),),
                log=self._shared_log(disk),
            )
        return Opening(
            observation=self._shown.setdefault(seen, seen),
            refusal=None,
            problems=(*seen.problems, *_litter(disk)),
            log=self._shared_log(disk, length),
            live=LiveStore(store, disk),
        )

    def _shared_log(self, disk: SimDisk, length: int | None = None) -> tuple[Record, ...]:
        log = tuple(disk.log)[:length]
        return self._logs.setdefault(log, log)


def _refused(error: Exception) -> Problem:
    kind = type(error).__name__
    typed = "" if isinstance(error, StorageError) else "an untyped error, "
    return Problem(
        "O7", f"does not open: {kind}", f"the store does not open: {typed}{kind}: {error}"
    )


def _litter(disk: SimDisk) -> Iterator[Problem]:
    for name in SimFileSystem(disk).listdir(STORE_DIRECTORY):
        if name.endswith(_LITTER):
            yield Problem("O10", f"litter: {name}", f"{name} is left behind after a clean open")
