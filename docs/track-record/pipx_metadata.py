"""pipx: the record of an installed program is renamed without a sync."""

import os
from pathlib import Path

from defect import Ack, Defect, main, sync_every_rename
from pipx.pipx_metadata_file import PackageInfo, PipxMetadata


def workload(directory: str, ack: Ack) -> None:
    """Record an installed program, and an upgrade of it."""
    environment = Path(directory, "venv")
    environment.mkdir()
    for version in ("1", "2"):
        record = PipxMetadata(environment)
        record.main_package = PackageInfo(
            package="program",
            package_or_url="program",
            pip_args=[],
            include_dependencies=False,
            include_apps=True,
            apps=[],
            app_paths=[],
            apps_of_dependencies=[],
            app_paths_of_dependencies={},
            package_version=version,
        )
        record.write()
        ack(version)


def check(directory: str, acked: list[object]) -> str | None:
    """Read the record, as every command of pipx does first."""
    path = Path(directory, "venv", "pipx_metadata.json")
    if not path.exists():
        return "no record is there" if acked else None
    found = PipxMetadata(path.parent).main_package.package
    return None if found else "pipx cannot read the record"


def cure() -> None:
    """Sync the record before it is renamed, and both directories after."""
    sync_every_rename()
    plain = Path.mkdir

    def mkdir(self: Path, *arguments: object, **options: object) -> None:
        plain(self, *arguments, **options)
        descriptor = os.open(self.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    Path.mkdir = mkdir


if __name__ == "__main__":
    main(
        Defect(
            package="pipx",
            version="1.18.4",
            lost="pipx cannot read its record of a program after a power cut",
            seen="pipx cannot read the record",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
