"""Convert stored values for pages, exports and terminals, whatever they contain."""

from __future__ import annotations

import math
from typing import Any

from ..translation.texts import gettext
from .storable import Unreadable, UnreadableNumber, escaped_text


def showable(value: object) -> Any:
    """Convert *value* so that HTML, JSON, CSV and terminals can represent it.

    Unreadable values become a text in the reader's language, lone surrogates are escaped, and
    non-finite numbers become text. Types that JSON doesn't have stay unchanged.
    """
    match value:
        case Unreadable() | UnreadableNumber():
            return gettext("can't be shown")
        case str():
            return escaped_text(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {escaped_text(str(name)): showable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [showable(inner) for inner in value]
        case _:
            return value
