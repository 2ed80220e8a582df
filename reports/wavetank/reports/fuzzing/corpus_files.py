"""The inputs of the fuzzer on the disk: one file each in ``.wavetank/corpus``.

A file holds a case as text. One that this version cannot read is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from wavetank.scenarios import Case, CaseError

__all__ = ["CORPUS_DIRECTORY", "CorpusFiles"]

CORPUS_DIRECTORY: Final = Path(".wavetank") / "corpus"
"""Where inputs lie, in the working directory."""


@frozen
class CorpusFiles:
    """A directory of inputs.

    Args:
        directory: made when the first input is kept.
    """

    directory: Path = field(default=CORPUS_DIRECTORY)

    def load(self, store: str) -> tuple[tuple[Case, ...], tuple[str, ...]]:
        """Return the inputs for a store, by name, and what is wrong with each unreadable file."""
        cases: list[Case] = []
        wrong: list[str] = []
        for path in self._paths():
            try:
                case = Case.from_text(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, CaseError) as error:
                wrong.append(f"{path} cannot be read and is kept: {error}")
                continue
            if case.store == store:
                cases.append(case)
        return tuple(cases), tuple(wrong)

    def keep(self, cases: Iterable[Case], before: Iterable[Case]) -> int:
        """Make the directory hold these inputs, and return how many are new.

        Args:
            cases: to be held.
            before: that were loaded; those of them that are not among `cases` are removed.

        Raises:
            OSError: the directory cannot be written.
        """
        kept = {case.id: case for case in cases}
        new = 0
        for name, case in kept.items():
            path = self.directory / f"{name}.json"
            if not path.exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                temporary = path.with_suffix(".tmp")
                temporary.write_text(case.to_text(), encoding="utf-8")
                temporary.replace(path)
                new += 1
        for case in before:
            if case.id not in kept:
                (self.directory / f"{case.id}.json").unlink(missing_ok=True)
        return new

    def _paths(self) -> Iterator[Path]:
        return iter(sorted(self.directory.glob("*.json")))
