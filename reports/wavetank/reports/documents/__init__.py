"""Results as JSON documents; docs/json.md says what each member means, ``schemas/`` the rules.

General layout::

    writing.py     values as JSON, by shapes that name the members of each class
    runs.py        wavetank.run/1, wavetank.replay/1, wavetank.list/1
    explanation.py wavetank.explain/1
    fuzz.py        wavetank.fuzz/1
    litmus.py      wavetank.litmus/1, wavetank.litmus-real/1
    injections.py  wavetank.zoo/1, wavetank.damage/1, wavetank.sweep/1
    check.py       wavetank.check/1
    stores.py      wavetank.verify/1, wavetank.dump/1
    syncs.py       wavetank.syncs/1
    trace.py       wavetank.trace/1
    bench.py       wavetank.bench/1
    bench_explore.py  wavetank.bench-explore/1
    bench_soak.py  wavetank.bench-soak/1

Each module imports what its documents are made of, so this package imports none of them.
"""

from __future__ import annotations

import json
from importlib import resources

__all__ = ["document", "schema", "to_text"]


def document(name: str, version: str, members: dict[str, object]) -> dict[str, object]:
    """Return a document with the members that every document begins with.

    Args:
        name: of the document, such as ``run``.
        version: of wavetank.
        members: the others.

    >>> document("verify", "1.0", {"verdict": "pass"})
    {'schema': 'wavetank.verify/1', 'version': '1.0', 'verdict': 'pass'}
    """
    return {"schema": f"wavetank.{name}/1", "version": version, **members}


def schema(name: str) -> dict[str, object]:
    """Return the JSON Schema of a document, such as ``run`` or ``litmus-real``."""
    file = resources.files("wavetank.reports") / "schemas" / f"{name}.schema.json"
    found: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return found


def to_text(made: dict[str, object]) -> str:
    """Return a document as it is printed: one JSON value, ASCII, indented."""
    return json.dumps(made, indent=2)
