"""Other people's code that writes files, each with a workload and a check of what it promises.

`CASES` holds them by the names of the rows in docs/python-code.md. What is installed only with the
extra `backends` is imported when it is asked for.
"""

from typing import Final

from . import caches, databases, documents, programs, queues, standard_library, writers
from .case import Case

__all__ = ["CASES", "Case"]

CASES: Final[dict[str, Case]] = {
    **standard_library.CASES,
    **writers.CASES,
    **databases.CASES,
    **queues.CASES,
    **caches.CASES,
    **programs.CASES,
    **documents.CASES,
}
