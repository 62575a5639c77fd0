"""Values of exports."""

from __future__ import annotations

import unicodedata

#: A spreadsheet takes text that begins so for a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_text(text: str) -> str:
    """*text* so that no spreadsheet takes it for a formula."""
    # The full-width forms of these characters are the same under NFKC.
    return f"'{text}" if unicodedata.normalize("NFKC", text[:1]) in _FORMULA else text
