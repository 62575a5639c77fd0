"""Detect usernames that look alike (Unicode Technical Standard 39)."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import groupby, pairwise

#: Width of the column. Longer skeletons are cut.
SKELETON_LENGTH = 255
_LRM = "\u200e"
#: Maximum number of combining marks in a row (UTS 39, 5.4).
_MAX_MARKS = 4
#: Scripts that may be mixed ("highly restrictive", UTS 39, 5.2).
_MIXABLE = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)


def skeleton(text: str) -> str:
    """Return a text that is equal for all names that look like *text*, ignoring case."""
    return _prototypes(_prototypes(text).casefold())[:SKELETON_LENGTH]


def is_of_one_script(text: str) -> bool:
    """Return whether *text* uses one script, or a mix that one language uses."""
    from confusable_homoglyphs import categories  # imported on first use because of its large data

    scripts = categories.unique_aliases(text) - {"COMMON", "INHERITED"}
    return len(scripts) < 2 or any(scripts <= together for together in _MIXABLE)


def has_too_many_marks(text: str) -> bool:
    """Return whether a letter has more than four combining marks, or one twice in a row."""
    decomposed = unicodedata.normalize("NFD", text)
    for is_mark, run in groupby(decomposed, lambda one: unicodedata.category(one) in ("Mn", "Me")):
        marks = list(run)
        twice = any(one == other for one, other in pairwise(marks))
        if is_mark and (twice or len(marks) > _MAX_MARKS):
            return True
    return False


def _prototypes(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(map(_prototype, decomposed)))


@cache
def _prototype(character: str) -> str:
    """Return the representative of all characters that look like *character*.

    The library lists all similar characters for a representative, and only the representative for
    the others. If two characters list only each other, the lower one is the representative.
    """
    alike = _alike(character)
    if len(alike) != 1:
        return character
    (other,) = alike
    if len(other) > 1:
        return "".join(map(_prototype, other))
    return other if len(_alike(other)) > 1 else min(character, other)


def _alike(character: str) -> list[str]:
    from confusable_homoglyphs.confusables import confusables_data as data  # large, too

    # Letters that are written from right to left stand between marks, as in Unicode's file.
    found = data.get(character) or data.get(f"{_LRM}{character}{_LRM}") or []
    return [one["c"].replace(_LRM, "") for one in found]
