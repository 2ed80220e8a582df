"""Programs and their own state: settings, schedules, build records, histories."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from .case import VERSIONS, Acknowledge, Case, collecting, load, replacing

__all__ = ["CASES"]


def scons_sync(directory: str, ack: Acknowledge) -> None:
    database = load("SCons.dblite").open(f"{directory}/sconsign", "c")
    for version in VERSIONS:
        database[version] = version.encode()
        database.sync()
        ack(version)


def scons_keys(directory: str) -> list[str]:
    return list(load("SCons.dblite").open(f"{directory}/sconsign", "r").keys())


def doit_database(directory: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    dependency = load("doit.dependency")
    return dependency.JsonDB(f"{directory}/.doit.json", codec=dependency.JSONCodec())


def doit_dump(directory: str, ack: Acknowledge) -> None:
    for version in VERSIONS:
        database = doit_database(directory)
        database.set(version, "result:", version)
        database.dump()
        ack(version)


def doit_tasks(directory: str) -> list[str]:
    database = doit_database(directory)
    return [version for version in VERSIONS if database.in_(version)]


def watson_save(directory: str, ack: Acknowledge) -> None:
    for number, version in enumerate(VERSIONS):
        watson = load("watson").Watson(config_dir=f"{directory}/watson")
        watson.frames.add(version, 1_700_000_000 + number, 1_700_000_100 + number)
        watson.save()
        ack(version)


def watson_frames(directory: str) -> list[str]:
    watson = load("watson").Watson(config_dir=f"{directory}/watson")
    return [frame.project for frame in watson.frames]


def watson_frames_or_backup(directory: str) -> list[str]:
    """Watson never reads frames.bak, but a person who misses the frames does."""
    backup = Path(directory, "watson/frames.bak")
    return watson_frames(directory) or (
        [project for _, _, project, *_ in json.loads(backup.read_text())] if backup.exists() else []
    )


def luigi_dump(directory: str, ack: Acknowledge) -> None:
    state = load("luigi.scheduler").SimpleTaskState(f"{directory}/state.pickle")
    tasks: dict[str, object] = {}
    for version in VERSIONS:
        tasks[version] = SimpleNamespace(id=version, status="DONE")
        state.set_state((tasks, {}, {}))
        state.dump()
        ack(version)


def luigi_tasks(directory: str) -> list[str]:
    state = load("luigi.scheduler").SimpleTaskState(f"{directory}/state.pickle")
    state.load()
    return [task.id for task in state.get_active_tasks()]


def mysensors_persistence(directory: str, sensors: dict[int, Any]) -> Any:  # noqa: ANN401 - no types
    return load("mysensors.persistence").Persistence(
        sensors, lambda _save: None, persistence_file=f"{directory}/mysensors.json"
    )


def mysensors_save(directory: str, ack: Acknowledge) -> None:
    sensors: dict[int, Any] = {}
    persistence = mysensors_persistence(directory, sensors)
    for number, version in enumerate(VERSIONS):
        sensors[number] = load("mysensors.sensor").Sensor(number)
        sensors[number].sketch_name = version
        persistence.need_save = True
        persistence.save_sensors()
        ack(version)


def mysensors_names(directory: str) -> list[str]:
    sensors: dict[int, Any] = {}
    mysensors_persistence(directory, sensors).safe_load_sensors()
    return [sensor.sketch_name for sensor in sensors.values()]


def pipx_write(directory: str, ack: Acknowledge) -> None:
    metadata = load("pipx.pipx_metadata_file")
    environment = Path(directory, "venv")
    environment.mkdir()
    for version in VERSIONS[:2]:
        record = metadata.PipxMetadata(environment)
        record.main_package = metadata.PackageInfo(
            package=version,
            package_or_url=version,
            pip_args=[],
            include_dependencies=False,
            include_apps=True,
            apps=[],
            app_paths=[],
            apps_of_dependencies=[],
            app_paths_of_dependencies={},
            package_version="1",
        )
        record.write()
        ack(version)


def pipx_read(directory: str, acked: list[object]) -> str | None:
    path = Path(directory, "venv/pipx_metadata.json")
    if not path.exists():
        return "nothing is there" if acked else None
    found = load("pipx.pipx_metadata_file").PipxMetadata(path.parent).main_package.package
    if found is None:
        return "pipx cannot read it"
    old = acked and VERSIONS.index(found) < VERSIONS.index(str(acked[-1]))
    return f"an old value: {found}" if old else None


def xonsh_history(directory: str, session: str) -> Any:  # noqa: ANN401 - no types
    load("xonsh.built_ins").XSH.env = {"XONSH_DATA_DIR": directory}
    os.makedirs(f"{directory}/history_json", exist_ok=True)
    path = f"{directory}/history_json/xonsh-{session}.json"
    return load("xonsh.history.json").JsonHistory(path, session, gc=False, save_cwd=False)


def xonsh_append(directory: str, ack: Acknowledge) -> None:
    history = xonsh_history(directory, "first")
    for version in VERSIONS[:2]:
        history.append({"inp": version, "rtn": 0, "ts": [0.0, 0.0]})
        history.flush().join()
        ack(version)


def xonsh_commands(directory: str) -> list[str]:
    return [each["inp"] for each in xonsh_history(directory, "next").all_items()]


def meson_save(directory: str, ack: Acknowledge) -> None:
    coredata = load("mesonbuild.coredata")
    os.mkdir(f"{directory}/meson-private")
    for version in VERSIONS[:2]:
        data = object.__new__(coredata.CoreData)
        data.version, data.test_guid = coredata.version, version
        coredata.save(data, directory)
        ack(version)


def meson_load(directory: str) -> str | None:
    path = Path(directory, "meson-private/coredata.dat")
    return load("mesonbuild.coredata").load(directory).test_guid if path.exists() else None


CASES: Final = {
    "scons, .sconsign.dblite": collecting(
        scons_sync, scons_keys, made="sconsign.dblite", package="scons"
    ),
    "doit, JSON": collecting(doit_dump, doit_tasks, made=".doit.json", package="doit"),
    "td-watson, frames": collecting(watson_save, watson_frames, made="watson", package="td-watson"),
    "td-watson, with its backup": collecting(
        watson_save, watson_frames_or_backup, made="watson", package="td-watson"
    ),
    "luigi, scheduler state": collecting(
        luigi_dump, luigi_tasks, made="state.pickle", package="luigi"
    ),
    "pymysensors, JSON": collecting(
        mysensors_save, mysensors_names, made="", package="pymysensors"
    ),
    "meson, coredata.dat": Case(
        meson_save,
        replacing(lambda *_: None, meson_load).check,
        "meson",
        imported_before="mesonbuild.coredata",
    ),
    "pipx, metadata": Case(pipx_write, pipx_read, "pipx", imported_before="pipx.main"),
    "xonsh, history": collecting(
        xonsh_append, xonsh_commands, made="history_json", package="xonsh"
    ),
}
