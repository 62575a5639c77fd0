"""Addresses to go back to, as a request names them."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote, urlsplit


def is_own_path(target: str | None) -> bool:
    """Whether *target* is a path of this site, and nothing a browser takes for another one.

    ``//evil``, ``/\\evil`` and control characters lead away from the site in some or all
    browsers, also when a proxy decodes them once more.
    """
    if not target:
        return False
    decoded = unquote(target)
    for text in (target, decoded, unquote(decoded)):
        if not text.startswith("/") or text.startswith("//") or "\\" in text:
            return False
        if any(unicodedata.category(character)[0] == "C" for character in text):
            return False
        try:
            parts = urlsplit(text)
        except ValueError:
            return False
        if parts.scheme or parts.netloc:
            return False
    return True
