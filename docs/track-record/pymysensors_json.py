"""pymysensors: the file of sensors is synced, and its name is not."""

from defect import Ack, Defect, main, sync_every_rename
from mysensors.persistence import Persistence
from mysensors.sensor import Sensor


def persistence(directory: str, sensors: dict[int, Sensor]) -> Persistence:
    """Return what keeps sensors in a file."""
    return Persistence(sensors, lambda _: None, persistence_file=f"{directory}/mysensors.json")


def workload(directory: str, ack: Ack) -> None:
    """Save two sensors."""
    sensors: dict[int, Sensor] = {}
    keeper = persistence(directory, sensors)
    for number, text in enumerate(("one", "two")):
        sensors[number] = Sensor(number)
        sensors[number].sketch_name = text
        keeper.need_save = True
        keeper.save_sensors()
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Load all sensors."""
    sensors: dict[int, Sensor] = {}
    persistence(directory, sensors).safe_load_sensors()
    found = [each.sketch_name for each in sensors.values()]
    missing = [each for each in acked if each not in found]
    return f"missing sensors: {missing}" if missing else None


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="pymysensors",
            version="0.26.0",
            lost="the newest sensors are gone after a power cut",
            seen="missing sensors: ['one'",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
