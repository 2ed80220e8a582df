"""The service under pytest: crashed everywhere, and with a disk that refuses each write."""

import os

from key_value_service import KeyValueService

from wavetank.scenarios import crash_test, every

KEYS = [f"key-{number % 3}" for number in range(4)]


def workload(directory, ack):
    service = KeyValueService(os.path.join(directory, "data"), snapshot_every=2)
    for number, key in enumerate(KEYS):
        service.set(key, str(number))
        ack(number)
    service.close()


def check(directory, acked):
    service = KeyValueService(os.path.join(directory, "data"), snapshot_every=2)
    try:
        for number in acked:
            value = service.get(KEYS[number])
            if value is None or int(value) < number:
                return f"{KEYS[number]} was {number} and is {value}"
    finally:
        service.close()
    return None


def test_what_was_set_survives_every_crash():
    # Raises with the story of each finding; 40 images a profile are enough to see a forgotten sync.
    crash_test(workload, check, profiles=["process-kill", "ext4"], max_images=40)


def test_a_disk_that_refuses_a_write_loses_nothing_that_was_set():
    faults = [every("write log.dat: fail ENOSPC")]
    crash_test(workload, check, profiles=["process-kill"], faults=faults, max_images=40)
