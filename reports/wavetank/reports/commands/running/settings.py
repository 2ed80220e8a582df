"""Settings of a project: the table ``[tool.wavetank]`` of a pyproject.toml.

The command line wins over every one of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from attrs import frozen

from wavetank.reports.arguments.choices import nearest
from wavetank.reports.commands.options import FIXPOINT, available_workers

__all__ = ["Settings", "SettingsError", "read_settings"]

_KEYS: Final = ("seed", "profile", "backend", "max-images", "depth", "workers", "strict")

_Value = TypeVar("_Value")


class SettingsError(ValueError):
    """A settings file is not as expected; the message gives file, key and what came."""


@frozen(kw_only=True)
class Settings:
    """What a project has settled; None where it says nothing.

    Attributes:
        seed: of every scenario.
        profile: names of profiles.
        backend: name of the backend.
        max_images: distinct images recovered per scenario and profile at most.
        depth: crashes inside recoveries, one inside the other; `FIXPOINT` for all.
        workers: processes.
        strict: whether an inconclusive run fails.
    """

    seed: int | None = None
    profile: tuple[str, ...] | None = None
    backend: str | None = None
    max_images: int | None = None
    depth: int | None = None
    workers: int | None = None
    strict: bool | None = None


def read_settings(path: Path) -> Settings:
    """Return the settings in a pyproject.toml; none if there is no such file or table.

    Raises:
        SettingsError: the file is not TOML, or the table holds an unknown key or a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: expected a readable TOML file, got: {error}") from error
    tool = document.get("tool")
    table = tool.get("wavetank", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise SettingsError(_expected(path, "tool.wavetank", "a table", table))
    return _settings(_Table(path, table))


class _WrongValueError(Exception):
    """A value is not as expected; the message says what is."""


@frozen
class _Table:
    """The table and where it lies, for messages."""

    path: Path
    values: Mapping[str, object]

    def check_keys(self) -> None:
        for key in self.values:
            if key not in _KEYS:
                raise SettingsError(
                    f"{self.path}: tool.wavetank.{key}: expected one of the keys "
                    f"{', '.join(_KEYS)}, got {key!r}{nearest(key, _KEYS)}"
                )

    def get(self, key: str, convert: Callable[[object], _Value]) -> _Value | None:
        if key not in self.values:
            return None
        value = self.values[key]
        try:
            return convert(value)
        except _WrongValueError as error:
            where = f"tool.wavetank.{key}"
            raise SettingsError(_expected(self.path, where, str(error), value)) from None


def _settings(table: _Table) -> Settings:
    table.check_keys()
    return Settings(
        seed=table.get("seed", _whole_from(0)),
        profile=table.get("profile", _names),
        backend=table.get("backend", _name),
        max_images=table.get("max-images", _whole_from(1)),
        depth=table.get("depth", _depth),
        workers=table.get("workers", _workers),
        strict=table.get("strict", _flag),
    )


def _expected(path: Path, where: str, expectation: str, value: object) -> str:
    return f"{path}: {where}: expected {expectation}, got {value!r} ({type(value).__name__})"


def _whole_from(least: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        if type(value) is not int or value < least:
            raise _WrongValueError(f"a whole number >= {least}")
        return value

    return convert


def _depth(value: object) -> int:
    if value == "fixpoint":
        return FIXPOINT
    if type(value) is not int or value < 0:
        raise _WrongValueError('a whole number >= 0 or "fixpoint"')
    return value


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongValueError("a name")
    return value


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not value:
        raise _WrongValueError("a name or a list of names")
    names = tuple(each for each in value if isinstance(each, str))
    if len(names) != len(value):
        raise _WrongValueError("a name or a list of names")
    return names


def _workers(value: object) -> int:
    if value == "auto":
        return available_workers()
    if type(value) is not int or value < 1:
        raise _WrongValueError('a whole number >= 1 or "auto"')
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError("true or false")
    return value
