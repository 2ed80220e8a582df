"""configobj: the settings are cut off before they are written anew."""

import io

from configobj import ConfigObj
from defect import Ack, Defect, main, write_durably


def workload(directory: str, ack: Ack) -> None:
    """Save settings three times."""
    for text in ("one", "two", "three"):
        settings = ConfigObj(f"{directory}/settings.ini")
        settings["section"] = {"value": text}
        settings.write()
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Read the settings."""
    settings = ConfigObj(f"{directory}/settings.ini")
    return "all settings are gone" if acked and "section" not in settings else None


def cure() -> None:
    """Write a new file, sync it, rename it over the old settings, and sync the directory."""
    plain = ConfigObj.write

    def write(self: ConfigObj, outfile: object = None, section: object = None) -> object:
        if outfile is not None or section is not None or self.filename is None:
            return plain(self, outfile, section)
        text = io.BytesIO()
        plain(self, text)
        return write_durably(self.filename, text.getvalue())

    ConfigObj.write = write


if __name__ == "__main__":
    main(
        Defect(
            package="configobj",
            version="5.0.9",
            lost="all settings are gone after a kill while they were saved",
            seen="all settings are gone",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("configobj/__init__.py:write",),
        )
    )
