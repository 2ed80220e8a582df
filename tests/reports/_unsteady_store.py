"""A store that does something else each time, for test_cli_process.py.

Workers import this file by the store's name, so that the store is the same in all processes.
"""

import os
import sys

from attrs import evolve

from wavetank.engine import OpenFlag, Storage
from wavetank.reports.cli import main
from wavetank.scenarios import BUILTIN, Site


def _open(site: Site) -> Storage:
    """Open the built-in engine, with a file beside it that depends on what it must not."""
    file = site.fs.open("/noise", OpenFlag.WRITE | OpenFlag.CREATE)
    file.pwrite(_noise(), 0)
    file.close()
    return BUILTIN.open(site)


def _noise() -> bytes:
    if os.environ["UNSTEADY"] == "hash":
        return hash("wavetank").to_bytes(8, "big", signed=True)
    return os.urandom(8)


STORE = evolve(BUILTIN, factory=_open)

if __name__ == "__main__":
    main(sys.argv[1:])
