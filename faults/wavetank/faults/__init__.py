"""What can go wrong besides a crash: the room for the fault language and its injectors.

It acts on `wavetank.sim`'s disk and filesystem through their public hooks, does not know the
engine's classes, and is imported by `wavetank.scenarios` and `wavetank.reports` alone. So far the
only fault is the crash itself, which `wavetank.sim` enumerates; nothing is exported here yet.
"""

__all__: list[str] = []
