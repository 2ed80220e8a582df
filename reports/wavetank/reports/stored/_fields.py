"""JSON objects read back field by field, each checked, each error with its path."""

from __future__ import annotations

from attrs import frozen

__all__ = ["FieldError", "Fields"]


class FieldError(ValueError):
    """A field is missing or of another type; the message gives its path."""


@frozen
class Fields:
    """One JSON object, and where it lies in its document.

    Args:
        value: the object.
        path: its path, such as ``$.case``.

    >>> Fields({"seed": 3}).whole("seed")
    3
    """

    value: dict[str, object]
    path: str = "$"

    def text(self, name: str) -> str:
        """Return a field that is text."""
        value = self._get(name)
        if not isinstance(value, str):
            raise self._error(name, "text", value)
        return value

    def whole(self, name: str) -> int:
        """Return a field that is a whole number, not negative."""
        value = self._get(name)
        if type(value) is not int or value < 0:
            raise self._error(name, "a whole number >= 0", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that is a list of text."""
        value = self._get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._error(name, "a list of text", value)
        return tuple(str(each) for each in value)

    def wholes(self, name: str) -> tuple[int, ...]:
        """Return a field that is a list of whole numbers."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self._error(name, "a list of whole numbers", value)
        numbers = tuple(each for each in value if type(each) is int)
        if len(numbers) != len(value):
            raise self._error(name, "a list of whole numbers", value)
        return numbers

    def inner(self, name: str) -> Fields:
        """Return a field that is an object."""
        return _object(self._get(name), f"{self.path}.{name}")

    def optional(self, name: str) -> Fields | None:
        """Return a field that is an object or null."""
        return None if self._get(name) is None else self.inner(name)

    def inners(self, name: str) -> tuple[Fields, ...]:
        """Return a field that is a list of objects."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self._error(name, "a list of objects", value)
        return tuple(
            _object(each, f"{self.path}.{name}[{number}]") for number, each in enumerate(value)
        )

    def flag(self, name: str) -> bool:
        """Return a field that is true or false."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self._error(name, "true or false", value)
        return value

    def whole_or_none(self, name: str) -> int | None:
        """Return a field that is a whole number or null."""
        return None if self._get(name) is None else self.whole(name)

    def _get(self, name: str) -> object:
        if name not in self.value:
            raise FieldError(f"{self.path}.{name}: expected a value, got none")
        return self.value[name]

    def _error(self, name: str, expectation: str, value: object) -> FieldError:
        return _unexpected(f"{self.path}.{name}", expectation, value)


def _object(value: object, path: str) -> Fields:
    if not isinstance(value, dict):
        raise _unexpected(path, "an object", value)
    return Fields({str(key): each for key, each in value.items()}, path)


def _unexpected(path: str, expectation: str, value: object) -> FieldError:
    return FieldError(f"{path}: expected {expectation}, got {value!r} ({type(value).__name__})")
