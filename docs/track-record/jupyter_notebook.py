"""jupyter-server: a notebook is cut off and written in place."""

import contextlib
import io
import json
import os
from collections.abc import Iterator

from defect import Ack, Defect, main, write_durably
from jupyter_server.services.contents import fileio


def workload(directory: str, ack: Ack) -> None:
    """Save a notebook three times."""
    for text in ("one", "two", "three"):
        with fileio.atomic_writing(f"{directory}/book.ipynb") as file:
            json.dump(text, file)
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Open the notebook."""
    if not os.path.exists(f"{directory}/book.ipynb"):
        return f"no notebook, though {acked[-1]} was saved" if acked else None
    with open(f"{directory}/book.ipynb") as file:
        json.load(file)
    return None


def cure() -> None:
    """Write a new file, sync it, rename it over the notebook, and sync the directory."""

    @contextlib.contextmanager
    def atomic_writing(path: str, **_: object) -> Iterator[io.StringIO]:
        text = io.StringIO()
        yield text
        write_durably(path, text.getvalue().encode())

    fileio.atomic_writing = atomic_writing


if __name__ == "__main__":
    main(
        Defect(
            package="jupyter-server",
            version="2.21.1",
            lost="the notebook is empty after a kill while it is saved",
            seen="JSONDecodeError: Expecting value",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("contents/fileio.py",),
        )
    )
