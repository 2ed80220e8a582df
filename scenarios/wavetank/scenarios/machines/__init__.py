"""State machines for hypothesis: it chooses what happens, and makes what fails short.

General layout::

    raft_store_machine.py       any store of the suite, held to the model
    crashing_disk_machine.py    code of one's own on a disk that can lose what was not synced

It needs hypothesis; `wavetank.scenarios` names both without importing them. Start reading at
raft_store_machine.py.
"""

from wavetank.scenarios.machines.crashing_disk_machine import CrashingDiskMachine
from wavetank.scenarios.machines.raft_store_machine import BrokenPromiseError, RaftStoreMachine

__all__ = ["BrokenPromiseError", "CrashingDiskMachine", "RaftStoreMachine"]
