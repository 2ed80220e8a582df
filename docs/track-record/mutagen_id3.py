"""mutagen: to make room for a tag, it moves the music within the file."""

import os
import shutil

from defect import Ack, Defect, main, write_durably
from mutagen.id3 import ID3, TIT2

AUDIO = bytes(range(256)) * 36


def workload(directory: str, ack: Ack) -> None:
    """Give a song a title."""
    write_durably(f"{directory}/song.mp3", AUDIO)
    ack("audio")
    save(f"{directory}/song.mp3")
    ack("title")


def save(path: str) -> None:
    """Save a title, as mutagen does."""
    tags = ID3()
    tags.add(TIT2(encoding=3, text="one"))
    tags.save(path)


def check(directory: str, acked: list[object]) -> str | None:
    """Listen to the song."""
    if not acked:
        return None
    with open(f"{directory}/song.mp3", "rb") as file:
        return None if file.read().endswith(AUDIO) else "the music is damaged"


def cure() -> None:
    """Tag a copy of the file, sync it, rename it over the song, and sync the directory."""
    plain = ID3.save

    def save_beside(self: ID3, path: str, **options: object) -> None:
        shutil.copy(path, f"{path}.copy")
        plain(self, f"{path}.copy", **options)
        with open(f"{path}.copy", "rb") as file:
            content = file.read()
        write_durably(path, content)
        os.remove(f"{path}.copy")

    ID3.save = save_beside


if __name__ == "__main__":
    main(
        Defect(
            package="mutagen",
            version="1.48.1",
            lost="music is damaged by a kill while its tag is saved",
            seen="the music is damaged",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("mutagen/_util.py", "id3/_file.py"),
        )
    )
