"""Refuse statements with parameters where PostgreSQL's planner needs constants."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_PARAMETER = r"(?:%s|%\(|\?|\$\d|__\[POSTCOMPILE)"
_HIDDEN = re.compile(
    # The index is inferred from this condition; with a parameter, PostgreSQL fails.
    rf"ON CONFLICT \([^)]*\) WHERE (?:(?! DO ).)*{_PARAMETER}"
    # Conditions that partial indexes and statistics need; assigned values may be parameters.
    rf"|(?<!SET )(?<!, )\b(?:state|kind|ending) (?:=|!=|<>|IN|NOT IN) \(?{_PARAMETER}",
    re.DOTALL,
)


@lru_cache(maxsize=10_000)
def hidden_constant(statement: str) -> str | None:
    """Return the part of *statement* that has a parameter instead of a required literal."""
    found = _HIDDEN.search(statement) if "taskadmin_" in statement else None
    return found[0] if found else None


def refuse_hidden_constants(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """Listen to ``before_cursor_execute``."""
    hidden = hidden_constant(statement)
    assert hidden is None, f"A generic plan doesn't know this constant: {hidden} in {statement}"
