"""One node of a PySyncObj cluster whose journal is the engine; told what to do on stdin.

``put KEY`` adds a key, and says ``ok KEY`` once the cluster has taken it, else ``failed KEY``;
``keys`` prints all keys that this node has applied, as JSON; ``ready`` prints whether it knows a
leader.
"""

import json
import sys

from pysyncobj import SyncObj, SyncObjConf, replicated

from wavetank.scenarios.stores.pysyncobj.journal import use_engine


class Keys(SyncObj):  # type: ignore[misc] # PySyncObj is not typed
    def __init__(self, own: str, partners: list[str], directory: str) -> None:
        self.keys: dict[str, int] = {}
        super().__init__(
            own, partners, SyncObjConf(journalFile=directory, dynamicMembershipChange=False)
        )

    @replicated  # type: ignore[untyped-decorator] # PySyncObj is not typed
    def put(self, key: str) -> int:
        self.keys[key] = self.keys.get(key, 0) + 1
        return self.keys[key]


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the way back to the test


def answer(node: Keys, line: str) -> None:
    command, _, key = line.strip().partition(" ")
    if command == "keys":
        say(json.dumps(node.keys, sort_keys=True))
    elif command == "ready":
        say(json.dumps(node.isReady()))
    elif command == "put":
        try:
            node.put(key, sync=True, timeout=10)
            say("ok", key)
        except Exception as error:  # noqa: BLE001 - a leader may be gone for a while
            say("failed", key, type(error).__name__)


def main() -> None:
    own, partners, directory = sys.argv[1], sys.argv[2].split(","), sys.argv[3]
    with use_engine():
        node = Keys(own, partners, directory)
        say("up")
        for line in sys.stdin:
            answer(node, line)


if __name__ == "__main__":
    main()
