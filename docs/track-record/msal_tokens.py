"""msal-extensions: the tokens are cut off before they are written anew."""

import json
import os

from defect import Ack, Defect, main, write_durably
from msal import SerializableTokenCache
from msal_extensions import FilePersistence


def workload(directory: str, ack: Ack) -> None:
    """Save a token three times."""
    persistence = FilePersistence(f"{directory}/tokens.json")
    for text in ("one", "two", "three"):
        token = {"secret": text, "expires_on": "9999999999"}
        persistence.save(json.dumps({"AccessToken": {"key": token}}))
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Log in with what was saved."""
    if not os.path.exists(f"{directory}/tokens.json"):
        return "no tokens" if acked else None
    cache = SerializableTokenCache()
    cache.deserialize(FilePersistence(f"{directory}/tokens.json").load())
    return "no token is left: log in again" if acked and not cache.find("AccessToken") else None


def cure() -> None:
    """Write a new file, sync it, rename it over the old tokens, and sync the directory."""

    def save(self: FilePersistence, content: str) -> None:
        write_durably(self._location, content.encode())

    FilePersistence.save = save


if __name__ == "__main__":
    main(
        Defect(
            package="msal-extensions",
            version="1.3.1",
            lost="all tokens are gone after a kill while one was saved",
            seen="no token is left",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("msal_extensions/persistence.py",),
        )
    )
