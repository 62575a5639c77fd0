"""Values in exported files: spreadsheet cells, and types that JSON doesn't have."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timedelta

#: Prefixes that make a spreadsheet read text as a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> object:
    """Convert *value* for Python's ``csv``, so that no spreadsheet reads it as a formula."""
    match value:
        case None:
            return ""
        case bool() | int() | float():
            return value
        case str():
            # Full-width forms of these characters are equal under NFKC.
            is_formula = unicodedata.normalize("NFKC", value[:1]) in _FORMULA
            return f"'{value}" if is_formula else value
        case datetime() | timedelta():
            return plain(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def plain(value: datetime | timedelta) -> str | float:
    """Convert a time to ISO 8601 or a duration to seconds; for ``json.dumps(…, default=plain)``."""
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()
