"""The command line over a catalogue with a fault of its own, for test_cli_process.py."""

import sys

from attrs import frozen

import wavetank.scenarios.runner
from wavetank.engine import Storage
from wavetank.reports.cli import main
from wavetank.scenarios import Site


@frozen
class BrokenBackend:
    """A backend that cannot even say its name."""

    summary: str = "broken"

    @property
    def name(self) -> str:
        raise RuntimeError("a door is stuck")

    def open(self, site: Site) -> Storage:
        raise NotImplementedError(site)


wavetank.scenarios.runner.BACKENDS = (BrokenBackend(),)  # type: ignore[attr-defined]  # the one place to put a backend in

if __name__ == "__main__":
    main(sys.argv[1:])
