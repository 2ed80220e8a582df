"""Findings made small: fewer steps, simpler values, default options, fewer lost micro-ops.

`shrink.py` goes from case to smaller case and says how far it has come. `smaller.py` lists smaller
runs, with steps made legal again by `refitting.py`; `crashes.py` smaller crashes of one run;
`worlds.py` simpler worlds for one crash. `attempt.py` finds out whether a case still shows the
finding. `smaller_tasks.py` and `task_attempt.py` do the same for tasks beside one another.
"""

from wavetank.scenarios.exploration.explaining.violation import ShrinkNote
from wavetank.scenarios.shrinking.shrink import (
    ClusterCaseError,
    NotShownError,
    Shrinking,
    look_for,
    note_of,
    shrink,
    tell_shrunk,
)

__all__ = [
    "ClusterCaseError",
    "NotShownError",
    "ShrinkNote",
    "Shrinking",
    "look_for",
    "note_of",
    "shrink",
    "tell_shrunk",
]
