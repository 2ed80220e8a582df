"""td-watson: between its two renames there is no file of frames."""

import os
import shutil
import tempfile

from defect import Ack, Defect, main
from watson import Watson, utils
from watson import watson as watson_module

NAMES = ("one", "two", "three")


def workload(directory: str, ack: Ack) -> None:
    """Record three stretches of work."""
    tempfile.tempdir = directory
    for number, name in enumerate(NAMES):
        watson = Watson(config_dir=f"{directory}/watson")
        watson.frames.add(name, 1_700_000_000 + number, 1_700_000_100 + number)
        watson.save()
        ack(name)


def check(directory: str, acked: list[object]) -> str | None:
    """Read all frames, as every command of Watson does first."""
    found = [frame.project for frame in Watson(config_dir=f"{directory}/watson").frames]
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Copy the old file to the backup, and replace it in one step."""

    def safe_save(path: str, content: object, ext: str = ".bak") -> None:
        with open(f"{path}.new", "w") as file:
            if callable(content):
                content(file)
            else:
                file.write(str(content))
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copy(path, path + ext)
        os.replace(f"{path}.new", path)

    utils.safe_save = watson_module.safe_save = safe_save


if __name__ == "__main__":
    main(
        Defect(
            package="td-watson",
            version="2.1.0",
            lost="all recorded time is gone for Watson after a kill between two renames",
            seen="missing: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("watson/utils.py",),
        )
    )
