"""kombu: a message has its final name before it has its content."""

import contextlib
import os
import uuid

from defect import Ack, Defect, main, write_durably
from kombu import Connection
from kombu.transport import filesystem
from kombu.utils.json import dumps


def connected(directory: str) -> Connection:
    """Return a connection to a queue in three directories."""
    for name in ("queue", "control", "done"):
        os.makedirs(f"{directory}/{name}", exist_ok=True)
    options = {
        "data_folder_in": f"{directory}/queue",
        "data_folder_out": f"{directory}/queue",
        "control_folder": f"{directory}/control",
        "processed_folder": f"{directory}/done",
        "store_processed": True,
    }
    return Connection("filesystem://", transport_options=options)


def workload(directory: str, ack: Ack) -> None:
    """Send two messages."""
    with connected(directory) as connection:
        queue = connection.SimpleQueue("mail")
        for text in ("one", "two"):
            queue.put(text)
            ack(text)
        queue.close()


def check(directory: str, acked: list[object]) -> str | None:
    """Receive all messages."""
    found = []
    with connected(directory) as connection:
        queue = connection.SimpleQueue("mail")
        with contextlib.suppress(queue.Empty):
            while True:
                message = queue.get_nowait()
                found.append(message.payload)
                message.ack()
        queue.close()
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Write messages, and the table of queues, to new files that are renamed."""

    def put(self: filesystem.Channel, queue: str, payload: object, **_: object) -> None:
        name = f"{os.urandom(4).hex()}_{uuid.uuid4()}.{queue}.msg"
        write_durably(os.path.join(self.data_folder_out, name), dumps(payload).encode())

    def bind(self: filesystem.Channel, exchange: str, key: str, pattern: str, queue: str) -> None:
        bound = [each for each in self.get_table(exchange) if each.queue != queue]
        table = [filesystem.exchange_queue_t(key or "", pattern or "", queue), *bound]
        os.makedirs(self.control_folder, exist_ok=True)
        write_durably(str(self._exchange_file(exchange)), dumps(table).encode())

    filesystem.Channel._put, filesystem.Channel._queue_bind = put, bind


if __name__ == "__main__":
    main(
        Defect(
            package="kombu",
            version="5.7.0",
            lost="an empty file is left by a kill, and ends each consumer that meets it",
            seen="JSONDecodeError: Expecting value",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("kombu/transport/filesystem.py",),
        )
    )
