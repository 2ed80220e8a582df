"""Values of wavetank as Python source: `PythonSource`, for tests that are written by machine.

What a value has by default is left out.
"""

from __future__ import annotations

from enum import Enum
from typing import cast

from attrs import NOTHING, Attribute, AttrsInstance, Factory, fields, has

from wavetank.faults import FaultPlan

__all__ = ["PythonSource", "is_default"]


class PythonSource:
    """Writes values as expressions, and remembers what they need to be imported.

    >>> from wavetank.scenarios import TruncateSuffix
    >>> source = PythonSource()
    >>> source.of((TruncateSuffix(3), None))
    '(TruncateSuffix(index=3), None)'
    >>> source.imports()
    ('from wavetank.scenarios import TruncateSuffix',)
    """

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def of(self, value: object) -> str:
        """Return an expression that is equal to a value.

        Raises:
            TypeError: a value of a kind that it does not know.
        """
        if isinstance(value, Enum):
            return f"{self.name(type(value))}.{value.name}"
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return repr(value)
        if isinstance(value, tuple):
            inner = ", ".join(self.of(each) for each in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, FaultPlan):
            self.need("wavetank.faults", "parse_plan")
            return f"parse_plan({str(value)!r})"
        if not has(type(value)):
            kind = type(value).__name__
            raise TypeError(f"value: expected a value of wavetank but got {value!r} ({kind})")
        given = [
            f"{each.alias}={self.of(getattr(value, each.name))}"
            for each in fields(cast("type[AttrsInstance]", type(value)))
            if each.init and not is_default(value, each)
        ]
        return f"{self.name(type(value))}({', '.join(given)})"

    def name(self, kind: type) -> str:
        """Return the name of a class, which has to be imported from now on."""
        room = ".".join(kind.__module__.split(".")[:2])
        self.need(room, kind.__name__)
        return kind.__name__

    def need(self, module: str, name: str) -> None:
        """Note that something has to be imported."""
        self._names.setdefault(module, set()).add(name)

    def imports(self) -> tuple[str, ...]:
        """Return a line for each module from which something is needed, sorted."""
        return tuple(
            f"from {module} import {', '.join(sorted(self._names[module]))}"
            for module in sorted(self._names)
        )


def is_default(value: object, field: Attribute[object]) -> bool:
    """Whether an attribute of a value is what it is if nothing is given."""
    default: object = field.default
    if default is NOTHING:
        return False
    if isinstance(default, Factory):  # type: ignore[arg-type]  # attrs types it as a function
        if default.takes_self:  # type: ignore[attr-defined]
            return False
        default = default.factory()  # type: ignore[attr-defined]
    return bool(getattr(value, field.name) == default)
