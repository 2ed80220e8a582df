"""The command line over a registry with a fault of its own, for test_cli_process.py."""

import sys
from collections.abc import Iterator, Mapping

from wavetank.reports.cli import main
from wavetank.scenarios import SHIPPED_STORES, StoreAdapter
from wavetank.scenarios.stores import registry


class BrokenStores(Mapping[str, StoreAdapter]):
    """Stores that can be looked up once: by the command line, and not by the run."""

    def __init__(self) -> None:
        self._is_found = False

    def __getitem__(self, name: str) -> StoreAdapter:
        if self._is_found:
            raise RuntimeError("a door is stuck")
        self._is_found = True
        return SHIPPED_STORES[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SHIPPED_STORES)

    def __len__(self) -> int:
        return len(SHIPPED_STORES)

    def __contains__(self, name: object) -> bool:
        return name in SHIPPED_STORES


registry.SHIPPED_STORES = BrokenStores()  # type: ignore[misc]  # what the command line looks up

if __name__ == "__main__":
    main(sys.argv[1:])
