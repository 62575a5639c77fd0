"""Parser of the search field: words, and qualifiers such as ``job:http_latency``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ..translation.texts import gettext, listed

#: A word, or a qualifier with an optional value; quotation marks allow spaces.
_PART = re.compile(r'(?:(?P<name>[A-Za-z_][\w.]*):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+|(?<=:)))')
_ARGUMENT = "arg."
_MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search."""

    #: Words that must all match.
    words: tuple[str, ...] = ()
    #: Qualifiers and their values.
    terms: dict[str, str] = field(default_factory=dict)
    #: Argument names and their values: ``arg.lower_limit:10``.
    arguments: dict[str, str] = field(default_factory=dict)
    #: Error in the search, as a sentence; nothing matches then.
    problem: str | None = None


def parse_search(
    text: str | None, qualifiers: Collection[str], *, of_runs: Collection[str] = ()
) -> Search:
    """Parse *text*.

    A word with a colon is a qualifier, whose name must be in *qualifiers* or start with ``arg.``.
    Addresses such as ``http://shop.example`` and quoted text are ordinary words.

    Args:
        qualifiers: Names of qualifiers, in lower case.
        of_runs: Names that work only in the list of runs.
    """
    words: list[str] = []
    terms: dict[str, str] = {}
    arguments: dict[str, str] = {}
    problem = None
    for part in filter(_is_something, _PART.finditer(searchable(text) or "")):
        name = part["name"] or ""
        value = part["quoted"] if part["quoted"] is not None else part["plain"]
        is_argument = name.startswith(_ARGUMENT) and len(name) > len(_ARGUMENT)
        if name.lower() in of_runs:
            problem = gettext("“%(name)s:” works only in the list of runs.", name=name)
        elif name and name.lower() not in qualifiers and not is_argument and not _is_url(value):
            problem = gettext(
                "“%(name)s:” is not known here. These are: %(names)s. To search for the text itself,"
                " put it in quotation marks.",
                name=name,
                names=listed([f"{one}:" for one in (*qualifiers, "arg.NAME")]),
            )
        elif name.lower() not in qualifiers and not is_argument:
            words.append(part[0].strip('"'))
            if not words[-1]:
                problem = gettext("The quotation marks are empty.")
        elif not value:
            problem = gettext("Enter a value after “%(name)s:”.", name=name)
        elif name.lower() in terms or name.removeprefix(_ARGUMENT) in arguments:
            problem = gettext("Use “%(name)s:” only once.", name=name)
        elif is_argument:
            arguments[name.removeprefix(_ARGUMENT)] = value
        else:
            terms[name.lower()] = value
    return Search(tuple(words), terms, arguments, problem)


def _is_url(value: str | None) -> bool:
    return (value or "").startswith("//")


def _is_something(part: re.Match[str]) -> bool:
    return part[0] != ""


def searchable(text: str | None) -> str | None:
    """Return a search text without characters that PostgreSQL can't take."""
    if text is None:
        return None
    text = text.replace("\0", "").encode("utf-8", "ignore").decode()
    return text.strip()[:_MAX_CHARACTERS] or None
