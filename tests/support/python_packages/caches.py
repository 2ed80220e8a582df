"""Caches: they may forget, and must not lie."""

import json
import os
from typing import Final

from .case import VERSIONS, Acknowledge, Case, load, replacing

__all__ = ["CASES"]


def cache_set(directory: str, text: str) -> None:
    load("cachelib").FileSystemCache(f"{directory}/cache").set("key", text)


def cache_set_all(directory: str, ack: Acknowledge) -> None:
    for version in VERSIONS:
        cache_set(directory, version)
        ack(version)


def cache_get(directory: str, _: list[object]) -> str | None:
    """A cache may forget; what it gives must have been put there."""
    found = load("cachelib").FileSystemCache(f"{directory}/cache").get("key")
    return None if found in (None, *VERSIONS) else f"damaged: {found!r}"


def doubled(number: int) -> int:
    return 2 * number


def memory_call(directory: str, ack: Acknowledge) -> None:
    cached = load("joblib").Memory(f"{directory}/memory", verbose=0).cache(doubled)
    for number in (1, 2):
        cached(number)
        ack(number)


def memory_answer(directory: str, _: list[object]) -> str | None:
    """A cache may forget; its answers must be right."""
    cached = load("joblib").Memory(f"{directory}/memory", verbose=0).cache(doubled)
    wrong = [number for number in (1, 2) if cached(number) != 2 * number]
    return f"wrong answers for {wrong}" if wrong else None


def zict_set(directory: str, text: str) -> None:
    load("zict").File(f"{directory}/zict")["key"] = text.encode()


def zict_get(directory: str) -> str | None:
    value = load("zict").File(f"{directory}/zict").get("key")
    return None if value is None else bytes(value).decode()


BODY: Final = b"body" * 2048
"""Two blocks and more, as the pages that are cached."""


def response_set(directory: str, ack: Acknowledge) -> None:
    cache = load("cachecontrol.caches").SeparateBodyFileCache(f"{directory}/http")
    cache.set("url", b"metadata")
    cache.set_body("url", BODY)
    ack("url")


def response_get(directory: str, _: list[object]) -> str | None:
    """A cache may forget; the page that it gives must be whole."""
    cache = load("cachecontrol.caches").SeparateBodyFileCache(f"{directory}/http")
    metadata, body = cache.get("url"), cache.get_body("url")
    if metadata is None or body is None:
        return None
    with body:
        whole = (metadata, body.read()) == (b"metadata", BODY)
    return None if whole else "the page is damaged"


def credentials_set(directory: str, text: str) -> None:
    load("botocore.utils").JSONFileCache(f"{directory}/cache")["key"] = {"token": text}


def credentials_get(directory: str) -> object:
    """As `CachedCredentialFetcher` does: what is not there is fetched anew, the rest is read."""
    cache = load("botocore.utils").JSONFileCache(f"{directory}/cache")
    return cache["key"]["token"] if "key" in cache else None


def tokens_save(directory: str, text: str) -> None:
    persistence = load("msal_extensions").FilePersistence(f"{directory}/tokens.json")
    persistence.save(
        json.dumps({"AccessToken": {"key": {"secret": text, "expires_on": "9999999999"}}})
    )


def tokens_load(directory: str) -> object:
    """As `PersistedTokenCache` does, which takes a file that is empty for a cache that is."""
    if not os.path.exists(f"{directory}/tokens.json"):
        return None
    cache = load("msal").SerializableTokenCache()
    cache.deserialize(load("msal_extensions").FilePersistence(f"{directory}/tokens.json").load())
    return cache.find("AccessToken")[0]["secret"] if cache.find("AccessToken") else None


CASES: Final = {
    "cachelib, FileSystemCache": Case(cache_set_all, cache_get, "cachelib"),
    "cachecontrol, SeparateBodyFileCache": Case(response_set, response_get, "cachecontrol"),
    "botocore, JSONFileCache": replacing(credentials_set, credentials_get, package="botocore"),
    "msal-extensions, FilePersistence": replacing(
        tokens_save, tokens_load, package="msal-extensions"
    ),
    "joblib, Memory": Case(memory_call, memory_answer, "joblib"),
    "zict, File": replacing(zict_set, zict_get, package="zict"),
}
