"""Inputs that reached something new, and which of them is changed next."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final

from attrs import frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.fuzzing.coverage import Coverage, Feature

__all__ = ["Corpus", "CorpusEntry"]

_MOST: Final = 1000
_ASKED: Final = 4


@frozen
class CorpusEntry:
    """An input, and what it has reached.

    Attributes:
        case: the input.
        features: what it has reached.
    """

    case: Case
    features: frozenset[Feature]


class Corpus:
    """The inputs that are worth changing.

    Args:
        cases: of earlier runs, of which nothing is known but that they were kept.
    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self._entries = [CorpusEntry(case, frozenset()) for case in cases][-_MOST:]
        self._counts: dict[Feature, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def cases(self) -> tuple[Case, ...]:
        """All inputs, the oldest first."""
        return tuple(entry.case for entry in self._entries)

    @property
    def reached(self) -> int:
        """How many features all runs have reached."""
        return len(self._counts)

    @property
    def coverage(self) -> Coverage:
        """What all runs have reached."""
        return Coverage(dict(self._counts))

    def take(self, case: Case, features: frozenset[Feature]) -> int:
        """Take an input that has run, and return how much of what it reached is new.

        Args:
            case: the input; kept if anything is.
            features: what it has reached.
        """
        new = sum(feature not in self._counts for feature in features)
        for feature in features:
            self._counts[feature] = self._counts.get(feature, 0) + 1
        if new:
            self._entries.append(CorpusEntry(case, features))
            if len(self._entries) > _MOST:
                self._drop()
        return new

    def choose(self, random: Random) -> Case | None:
        """Return an input to change: of a few, the one that reached what is rarest."""
        if not self._entries:
            return None
        asked = [random.choice(self._entries) for _ in range(_ASKED)]
        return min(asked, key=self._commonness).case

    def _commonness(self, entry: CorpusEntry) -> int:
        """Return how many runs have reached the rarest of what an input reached."""
        return min((self._counts[feature] for feature in entry.features), default=1)

    def _drop(self) -> None:
        """Give the input up whose rarest feature is most common; of equals the oldest."""
        worst = max(range(len(self._entries)), key=lambda n: self._commonness(self._entries[n]))
        del self._entries[worst]
