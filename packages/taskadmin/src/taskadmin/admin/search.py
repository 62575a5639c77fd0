"""What people type into the search field: words, and qualifiers such as ``job:http_latency``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ..texts import gettext
from .model_view import searchable

#: A word, or a qualifier with its value, which may be missing; quotation marks keep spaces
#: together.
_PART = re.compile(r'(?:(?P<name>[A-Za-z_][\w.]*):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+|(?<=:)))')
_ARGUMENT = "arg."


@dataclass(frozen=True, slots=True)
class Search:
    """A search in parts."""

    #: All of them have to be found.
    words: tuple[str, ...] = ()
    #: Values by the names of qualifiers.
    terms: dict[str, str] = field(default_factory=dict)
    #: Values of arguments by their names: ``arg.lower_limit:10``.
    arguments: dict[str, str] = field(default_factory=dict)
    #: What is wrong with it, as a sentence; then nothing matches.
    problem: str | None = None


def parse_search(
    text: str | None, qualifiers: Collection[str], *, of_runs: Collection[str] = ()
) -> Search:
    """Read *text*.

    A word with a colon whose name is none of *qualifiers* and doesn't begin with ``arg.`` is an
    ordinary word, as in ``http://shop.example``; so is everything in quotation marks alone.

    Args:
        qualifiers: Names that have a meaning, in lower case.
        of_runs: Names that have one in the list of runs only.
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
            problem = gettext("“%(name)s:” can be looked for in the list of runs only.", name=name)
        elif name.lower() not in qualifiers and not is_argument:
            words.append(part[0].strip('"'))
            if not words[-1]:
                problem = gettext("There is nothing between the quotation marks.")
        elif not value:
            problem = gettext("“%(name)s:” needs a value behind it.", name=name)
        elif name.lower() in terms or name.removeprefix(_ARGUMENT) in arguments:
            problem = gettext("“%(name)s:” is there twice, and nothing can be both.", name=name)
        elif is_argument:
            arguments[name.removeprefix(_ARGUMENT)] = value
        else:
            terms[name.lower()] = value
    return Search(tuple(words), terms, arguments, problem)


def _is_something(part: re.Match[str]) -> bool:
    return part[0] != ""
