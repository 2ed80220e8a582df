"""Faults for one run, drawn from a swarm: lines of the fault language, at operations that come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random  # noqa: TID251 - seeded by the caller
from types import MappingProxyType
from typing import Final, TypeAlias

from wavetank.faults import FaultPlan, fault_plan
from wavetank.scenarios.fuzzing.swarm import by_chance, few_to_many

__all__ = ["draw_faults"]

_KINDS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "datasync": (5, 8),
        "write": (5, 25),
        "fsync": (4, 15),
        "fsync_dir": (4, 12),
        "rename": (4, 12),
        "any": (4, 150),
        "open": (2, 30),
        "read": (2, 40),
        "unlink": (2, 6),
        "truncate": (1, 4),
        "preallocate": (1, 4),
        "size": (1, 20),
        "stat": (1, 10),
        "list": (1, 4),
        "close": (1, 25),
        "mkdir": (1, 2),
        "lock": (1, 2),
    }
)
"""How often each kind of operation is chosen, and how many of it a short life has, about."""
_ERRORS: Final = (
    "EIO",
    "EIO",
    "EIO",
    "ENOSPC",
    "EDQUOT",
    "EACCES",
    "EROFS",
    "EINTR",
    "EMFILE",
    "EFBIG",
)
_NAMED: Final = 0.4


def draw_faults(random: Random, families: Sequence[str], names: Sequence[str]) -> FaultPlan:
    """Return what goes wrong in a run.

    Args:
        random: the stream that everything is drawn from.
        families: kinds of faults, from `FAULT_FAMILIES`; () for none.
        names: of the store's files.
    """
    if not families:
        return FaultPlan()
    lines: list[str] = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
        family = random.choice(families)
        if family in _ONCE and any(family == before for before, _ in _drawn(lines)):
            continue
        lines.append(f"{family}|{_LINES[family](random, names)}")
    return fault_plan([line for _, line in _drawn(lines)])


def _drawn(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(family, line) for family, _, line in (each.partition("|") for each in lines)]


_ONCE: Final = frozenset({"damage", "lie", "end"})
"""Of these one is enough: what is right after two of them nobody can say."""

_Line: TypeAlias = Callable[[Random, Sequence[str]], str]


def _where(random: Random, kind: str, names: Sequence[str]) -> str:
    most = _KINDS[kind][1]
    if names and by_chance(random, _NAMED):
        return f"{kind} {random.choice(names)} #{few_to_many(random, max(2, most // 3))}"
    return f"{kind} #{few_to_many(random, most)}"


def _kind(random: Random) -> str:
    return random.choices(tuple(_KINDS), [weight for weight, _ in _KINDS.values()])[0]


def _howlong(random: Random) -> str:
    return random.choice(("", "", "", "", " 2 times", " from now on"))


def _failure(random: Random, names: Sequence[str]) -> str:
    kind = _kind(random)
    if kind == "open" and by_chance(random, 0.3):
        return f"open: fail EMFILE from {random.randint(1, 6)} open"
    where, error = _where(random, kind, names), random.choice(_ERRORS)
    if kind in {"fsync", "datasync"} and by_chance(random, 0.3):
        machine = random.choice(("ext4", "xfs", "ext4-data-journal", "btrfs"))
        return f"{where}: fail EIO {machine}{_howlong(random)}"
    if kind == "write" and by_chance(random, 0.5):
        return f"{where}: fail {error} after {random.randint(1, 300)} bytes{_howlong(random)}"
    after = " after effect" if by_chance(random, 0.35) else ""
    return f"{where}: fail {error}{after}{_howlong(random)}"


def _short(random: Random, names: Sequence[str]) -> str:
    where = _where(random, random.choice(("read", "write")), names)
    return f"{where}: short {random.choice((1, 7, 100, 511))} bytes{_howlong(random)}"


def _full(random: Random, names: Sequence[str]) -> str:
    if by_chance(random, 0.15):
        return f"{_where(random, 'any', names)}: read-only"
    error = random.choice(("ENOSPC", "EDQUOT"))
    kind = random.choice(("any", "write"))
    return f"{kind}: fail {error} from {few_to_many(random, 30_000)} bytes written"


def _damage(random: Random, names: Sequence[str]) -> str:
    start = random.choice((0, 0, random.randint(0, 3000), 512 * random.randint(0, 8)))
    end = start + random.choice((1, 8, 100, 512, 4096))
    whole = random.choice(("missing", "emptied", "shortened", "lengthened"))
    if by_chance(random, 0.35):
        where = _where(random, random.choice(("open", "any", "stat")), names)
        count = few_to_many(random, 2000)
        sized = {"shortened": f" to {count} bytes", "lengthened": f" by {count} bytes"}
        return f"{where}: {whole}{sized.get(whole, '')}"
    if by_chance(random, 0.3):
        where = _where(random, "write", names)
        torn = random.choice(("0", "1", "0,2"))
        effect = random.choice((f"torn sectors {torn}", f"torn all but sectors {torn}", "lost"))
        return f"{where}: {effect}"
    where = _where(random, "read", names)
    if by_chance(random, 0.4):
        return f"{where}: flip bit {random.randint(0, 64)} at {random.randint(0, 1500)}"
    return f"{where}: {random.choice(('unreadable', 'zeroed', 'stale'))} {start}..{end}"


def _lie(random: Random, names: Sequence[str]) -> str:
    kind = random.choice(("fsync", "datasync", "fsync_dir"))
    return f"{_where(random, kind, names)}: lie"


def _environment(random: Random, names: Sequence[str]) -> str:
    where = _where(random, random.choice(("any", "write", "read", "fsync")), names)
    effect = random.choice(("evict", "stall 250 ms", "clock jumps +3600 s", "clock jumps -3600 s"))
    return f"{where}: {effect}{_howlong(random)}"


def _end(random: Random, names: Sequence[str]) -> str:
    where = _where(random, _kind(random), names)
    when = random.choice(("before", "inside", "after"))
    what = random.choice(("kill", "kill", "crash"))
    then = " then power cut" if what == "kill" and by_chance(random, 0.2) else ""
    return f"{where}: {what} {when}{then}"


_LINES: Final[Mapping[str, _Line]] = MappingProxyType(
    {
        "failure": _failure,
        "short": _short,
        "full": _full,
        "damage": _damage,
        "lie": _lie,
        "environment": _environment,
        "end": _end,
    }
)
