"""Which numbers can be ids.

PostgreSQL fails if a number is larger than the column it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Largest id of tasks and users, whose columns are of type integer.
MAX_ID = 2**31 - 1
#: Largest id of runs and launches.
MAX_BIG_ID = 2**63 - 1


def can_be_id(number: int, *, largest: int = MAX_ID) -> bool:
    """Return whether a row may have this id."""
    return 0 < number <= largest


def possible_ids(numbers: Iterable[int], *, largest: int = MAX_ID) -> list[int]:
    """Return the numbers that can be ids, each once and in ascending order."""
    return sorted({number for number in numbers if can_be_id(number, largest=largest)})


def parse_id(text: str | None, *, largest: int = MAX_ID) -> int | None:
    """Parse an id from a URL; None if it can't be one."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    number = int(text)
    return number if can_be_id(number, largest=largest) else None
