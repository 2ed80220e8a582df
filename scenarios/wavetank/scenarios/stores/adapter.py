"""A store under test as one value: `StoreAdapter` says how it is opened and what it declares.

Everything that drives a store (`record`, `explore`, `wavetank run`, `wavetank check`, the state
machine) takes an adapter, and reaches the store through the engine's `Storage` Protocol alone.
registry.py finds an adapter by name; python_stores.py puts stores of plain Python on the simulated
disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from attrs import Factory, field, frozen

from wavetank.engine import FileStorageOptions, FileSystem, Runtime, Storage
from wavetank.scenarios.stores.capabilities import LOG_STORE, Capability
from wavetank.scenarios.stores.completed_store import completed, translating

__all__ = [
    "STORE_DIRECTORY",
    "PlainStoreError",
    "Site",
    "SiteFiles",
    "StoreAdapter",
    "StoreFactory",
    "StoreProcesses",
    "adapter_of",
]

STORE_DIRECTORY: Final = "/store"
"""Where a store lives on a simulated disk, or below; no real machine may have this path."""


@frozen(kw_only=True)
class Site:
    """Where and how a store is to live.

    Attributes:
        fs: its filesystem.
        runtime: its threads, locks and clock.
        directory: its directory, which is not there yet on the first run.
        options: what the workload asks for, in the engine's terms; a store takes what it knows.
    """

    fs: FileSystem
    runtime: Runtime
    directory: str
    options: FileStorageOptions


StoreFactory = Callable[[Site], object]
"""Opens a store at a site, making it if nothing is there."""


class PlainStoreError(TypeError):
    """A store of plain Python was about to run where its `open` and `os` mean the real machine."""


class SiteFiles(Protocol):
    """Leads `open` and `os` of a store to the simulated disk of its site."""

    def enter(self, site: Site) -> tuple[Site, Callable[[], AbstractContextManager[None]]]:
        """Return the site as the store sees it, and what each call of the store runs inside."""
        ...

    def end_process(self) -> None:
        """Kill the process in which the stores run, if there is one."""
        ...


class StoreProcesses(Protocol):
    """Runs a store that is no Python: in processes of its own, on real files."""

    def kill(self, directory: str) -> None:
        """Kill all processes that have a store open in a real directory."""
        ...

    def on_simulated_disk(self, store: StoreAdapter) -> AbstractContextManager[StoreAdapter]:
        """Give the store with whatever its processes do applied to the disk of its site.

        Raises:
            RecorderMissingError: this machine lacks what sees that.
        """
        ...


def _factory(_: object, __: object, value: StoreFactory) -> None:
    given: object = value
    if not callable(given):
        kind = type(given).__name__
        raise TypeError(
            f"factory: expected something to call with a Site but got {given!r} ({kind})"
        )


def _capabilities(given: Iterable[object]) -> frozenset[Capability]:
    found: set[Capability] = set()
    for each in given:
        if not isinstance(each, Capability):
            kind = type(each).__name__
            raise TypeError(f"capabilities: expected Capability but got {each!r} ({kind})")
        found.add(each)
    return frozenset(found)


@frozen(kw_only=True)
class StoreAdapter:
    """A kind of store under test.

    A store that reaches its files through `site.fs` alone declares
    `Capability.SITE_FILESYSTEM`. Any other is taken for plain Python, whose `open` and `os` reach
    the simulated disk only inside `on_simulated_disk`; `record`, `explore` and the like enter that
    by themselves.

    Attributes:
        name: by which `find_store` finds it, if it can; for people otherwise.
        factory: opens it.
        summary: one sentence for people.
        capabilities: what it declares.
        held_to: what scenarios ask of it and report it for; by default what it declares.
        files: leads its `open` and `os` to the simulated disk; set by `on_simulated_disk`.
        processes: runs it, if it is no Python.

    Raises:
        TypeError: the factory cannot be called, or a capability is none.

    >>> from wavetank.scenarios import BUILTIN
    >>> BUILTIN.has(Capability.VOTES, Capability.SNAPSHOTS)
    True
    """

    name: str
    factory: StoreFactory = field(validator=_factory)
    summary: str = ""
    capabilities: frozenset[Capability] = field(default=LOG_STORE, converter=_capabilities)
    held_to: frozenset[Capability] = field(
        default=Factory(lambda self: self.capabilities, takes_self=True), converter=_capabilities
    )
    files: SiteFiles | None = field(default=None, repr=False, eq=False)
    processes: StoreProcesses | None = field(default=None, repr=False, eq=False)

    def open(self, site: Site) -> Storage:
        """Open the store at `site`, completed to a whole `Storage`.

        Errors are those of the factory: a `BackendError` around each that is no `StorageError`,
        unless the store declares typed errors.

        Raises:
            PlainStoreError: see `require_simulated`.
        """
        inside: Callable[[], AbstractContextManager[None]] = nullcontext
        if not self.has(Capability.SITE_FILESYSTEM):
            if not f"{site.directory}/".startswith(f"{STORE_DIRECTORY}/"):
                self._end_process()
            else:
                self.require_simulated()
                assert self.files is not None
                site, inside = self.files.enter(site)
        with translating(typed=self.has(Capability.TYPED_ERRORS)), inside():
            store = self.factory(site)
        return completed(store, self.capabilities, inside)

    def has(self, *needs: Capability) -> bool:
        """Whether it declares all of these."""
        return self.capabilities.issuperset(needs)

    def require_simulated(self, *, faults: bool = False) -> None:
        """Require that whatever the store writes at `STORE_DIRECTORY` lands on a simulated disk.

        Args:
            faults: whether operations of its filesystem are to fail, too.

        Raises:
            PlainStoreError: it does not, or its operations cannot be made to fail.
        """
        if self.has(Capability.SITE_FILESYSTEM):
            return
        declare = (
            "if it reaches its files through site.fs alone, declare the capability "
            "Capability.SITE_FILESYSTEM"
        )
        if faults:
            raise PlainStoreError(
                f"store {self.name!r}: expected one that takes its filesystem from site.fs, since "
                f"faults strike what goes through that, but it does not declare so; {declare}, or "
                f"leave the faults out"
            )
        if self.files is None:
            raise PlainStoreError(
                f"store {self.name!r}: expected one whose files are on the simulated disk, but its "
                f"`open` and `os` would reach the real {STORE_DIRECTORY}; open it inside `with "
                f"on_simulated_disk(store) as store`, or, {declare}"
            )

    def _end_process(self) -> None:
        # A real directory is asked for: between two simulated processes all files are real.
        if self.files is not None:
            self.files.end_process()


def adapter_of(
    store: object,
    *,
    name: str | None = None,
    capabilities: Iterable[Capability] | None = None,
) -> StoreAdapter:
    """Return the adapter of a store.

    Args:
        store: opens the store at a `Site`: a function, or a class that takes a `Site`; an adapter
            stays what it is but for what the other arguments say. It may carry its capabilities
            as an attribute `capabilities`.
        name: for people; the factory's own name if None.
        capabilities: what the store declares; None for what the factory carries, or `LOG_STORE`.

    Raises:
        TypeError: it cannot be called, or a capability is none.
    """
    if isinstance(store, StoreAdapter) and name is None and capabilities is None:
        return store
    declared = getattr(store, "capabilities", LOG_STORE) if capabilities is None else capabilities
    if isinstance(store, StoreAdapter):
        return StoreAdapter(
            name=name or store.name,
            factory=store.factory,
            summary=store.summary,
            capabilities=declared,
            files=store.files,
            processes=store.processes,
        )
    called = name or str(getattr(store, "__qualname__", type(store).__name__))
    return StoreAdapter(name=called, factory=store, capabilities=declared)  # type: ignore[arg-type]  # its validator looks
