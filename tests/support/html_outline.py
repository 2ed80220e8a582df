"""What a page's HTML holds: ids, links, headings, labels, and whatever would need a network."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from attrs import define, field

__all__ = ["Outline", "outline_of"]

_VOID: Final = frozenset({"meta", "link", "br", "input", "img", "hr"})
_FETCHING: Final = frozenset({"src", "srcset", "poster", "data", "action"})


@define
class Outline:
    """What stands in a page.

    Attributes:
        ids: of all elements, in order.
        targets: what links inside the page name, without the ``#``.
        fetched: addresses that a browser would fetch or follow elsewhere.
        headings: levels, in order.
        labels: ids named by ``aria-labelledby``.
        unnamed: drawings that are neither hidden from screen readers nor labelled.
        texts: the text of each element of a class, by class.
        unclosed: elements that were not closed at the end, but for list items.
    """

    ids: list[str] = field(factory=list)
    targets: list[str] = field(factory=list)
    fetched: list[str] = field(factory=list)
    headings: list[int] = field(factory=list)
    labels: list[str] = field(factory=list)
    unnamed: list[str] = field(factory=list)
    texts: dict[str, list[str]] = field(factory=dict)
    unclosed: list[str] = field(factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outline = Outline()
        self._open: list[tuple[str, list[str], list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        found = self.outline
        if "id" in given:
            found.ids.append(given["id"])
        if "aria-labelledby" in given:
            found.labels.append(given["aria-labelledby"])
        href = given.get("href", "")
        if href.startswith("#"):
            found.targets.append(href[1:])
        elif href not in ("", "data:,"):
            found.fetched.append(href)
        found.fetched += [given[name] for name in _FETCHING if name in given and tag != "path"]
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            found.headings.append(int(tag[1]))
        if tag == "svg" and not {"aria-hidden", "aria-label"} & set(given):
            found.unnamed.append(self.get_starttag_text() or tag)
        if tag == "li" and self._open and self._open[-1][0] == "li":
            self._close()
        if tag not in _VOID:
            self._open.append((tag, given.get("class", "").split(), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._close()

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1][0] == "li" != tag:
            self._close()
        if self._open and self._open[-1][0] == tag:
            self._close()
        else:
            self.outline.unclosed.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        for _, _, parts in self._open:
            parts.append(data)

    def close(self) -> None:
        super().close()
        self.outline.unclosed += [tag for tag, _, _ in self._open]

    def _close(self) -> None:
        _, classes, parts = self._open.pop()
        for each in classes:
            self.outline.texts.setdefault(each, []).append(" ".join("".join(parts).split()))


def outline_of(html: str) -> Outline:
    """Return what a page holds."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.outline
