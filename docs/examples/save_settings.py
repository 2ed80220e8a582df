"""The suspicious function: one that loses settings at a power cut, and one that does not.

`python save_settings.py` crashes both at every point and prints what comes of it.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from wavetank.scenarios import crash_test


def save_wrong(path: Path, settings: dict[str, int]) -> None:
    """Replace the settings as many programs do: by a rename alone."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(settings))
    new.replace(path)


def save_right(path: Path, settings: dict[str, int]) -> None:
    """Replace the settings so that either the old or the new ones survive every crash."""
    new = path.with_suffix(".new")
    try:
        with new.open("w") as file:
            file.write(json.dumps(settings))
            file.flush()  # out of Python's buffer
            os.fsync(file.fileno())  # content on the disk before the name
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()  # a full disk must not keep the half-written file
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the name itself
    finally:
        os.close(directory)


def load(directory: Path) -> object:
    """Return the settings as the program sees them after a restart."""
    path = directory / "settings.json"
    return json.loads(path.read_text()) if path.exists() else None


def main() -> None:
    """Crash both functions and print the findings."""
    for save in (save_wrong, save_right):

        def workload(directory, ack, save=save):
            for number in range(2):
                save(directory / "settings.json", {"number": number})
                ack(number)

        report = crash_test(workload, observe=load, raise_on_finding=False)
        print(f"{save.__name__}: {report.outcome}")
        for finding in report.findings:
            print(f"  {finding.kind}: {finding.sentence}")
            print(f"    cure: {finding.cure}")


if __name__ == "__main__":
    main()
