"""The command line over a store that does something else each time, for test_cli_process.py.

Workers import this file again, so that the store is the same in all processes.
"""

import os
import sys

from attrs import frozen

import wavetank.scenarios.runner
from wavetank.engine import OpenFlag, Storage
from wavetank.reports.cli import main
from wavetank.scenarios import BACKENDS, Site


@frozen
class UnsteadyBackend:
    """The built-in engine, with a file beside it that depends on what it must not depend on."""

    name: str = "builtin"
    summary: str = "never the same"

    def open(self, site: Site) -> Storage:
        file = site.fs.open("/noise", OpenFlag.WRITE | OpenFlag.CREATE)
        file.pwrite(_noise(), 0)
        file.close()
        return BACKENDS[0].open(site)


def _noise() -> bytes:
    if os.environ["UNSTEADY"] == "hash":
        return hash("wavetank").to_bytes(8, "big", signed=True)
    return os.urandom(8)


wavetank.scenarios.runner.BACKENDS = (UnsteadyBackend(),)  # type: ignore[attr-defined]  # the one place to put a backend in

if __name__ == "__main__":
    main(sys.argv[1:])
