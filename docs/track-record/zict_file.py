"""zict: a value is removed before its successor is written."""

import os

from defect import Ack, Defect, main, write_durably
from zict import File


def workload(directory: str, ack: Ack) -> None:
    """Store a value three times."""
    values = File(f"{directory}/values")
    for text in ("one", "two", "three"):
        values["key"] = text.encode()
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Read the value."""
    found = File(f"{directory}/values").get("key")
    if found is None:
        return f"nothing is there, though {acked[-1]} was stored" if acked else None
    return None if bytes(found) in (b"one", b"two", b"three") else f"damaged: {bytes(found)}"


def cure() -> None:
    """Replace the old value by the new one in one step."""

    def set_item(self: File, key: str, value: bytes) -> None:
        name = self.filenames.get(key) or self._safe_key(key)
        path = os.path.join(self.directory, name)
        write_durably(path, value, new=f"{self.directory}.{name}")
        self.filenames[key] = name

    File.__setitem__ = set_item


if __name__ == "__main__":
    main(
        Defect(
            package="zict",
            version="3.0.0",
            lost="a value is empty, or gone, after a kill while it was replaced",
            seen="damaged: b''",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("zict/file.py",),
        )
    )
