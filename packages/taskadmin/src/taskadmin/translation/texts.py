"""Translate texts for the current reader; texts in the code are English.

This module depends on neither a language nor Flask: ``taskadmin.translation.i18n`` sets the
catalogues. Stored or logged texts stay English, because other people may read them: they aren't
marked, or are created within ``untranslated``.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Catalogue(Protocol):
    """Translates and formats for the current reader."""

    @property
    def language(self) -> str: ...

    def gettext(self, message: str) -> str: ...

    def ngettext(self, singular: str, plural: str, number: int) -> str: ...

    def number(self, number: float) -> str: ...

    def listed(self, items: Sequence[str]) -> str: ...

    def day_of_year(self, month: int, day: int) -> str: ...


class _EnglishCatalogue:
    language = "en"

    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural

    def number(self, number: float) -> str:
        try:
            return f"{number:,}"
        except ValueError:  # too many digits for Python
            # Imported here, because it imports Babel.
            from .amounts import rounded

            return rounded(number, 15)

    def listed(self, items: Sequence[str]) -> str:
        *head, last = items
        return f"{', '.join(head)} and {last}" if head else last

    def day_of_year(self, month: int, day: int) -> str:
        return f"{calendar.month_name[month]} {day}"


#: The texts in the code.
ENGLISH: Catalogue = _EnglishCatalogue()
_given: Catalogue = ENGLISH
_is_untranslated: ContextVar[bool] = ContextVar("taskadmin_untranslated", default=False)


def use(catalogue: Catalogue) -> None:
    """Use *catalogue*, which finds the current reader itself."""
    global _given
    _given = catalogue


def _catalogue() -> Catalogue:
    return ENGLISH if _is_untranslated.get() else _given


@contextmanager
def untranslated() -> Iterator[None]:
    """Use English inside the block, for texts that are stored."""
    token = _is_untranslated.set(True)
    try:
        yield
    finally:
        _is_untranslated.reset(token)


def gettext(message: str, /, **variables: object) -> str:
    """Translate *message* and insert *variables* for ``%(name)s``."""
    text = _catalogue().gettext(message)
    return text % variables if variables else text


def ngettext(singular: str, plural: str, number: int, /, **variables: object) -> str:
    """Translate the form for *number*, and insert it, grouped, for ``%(num)s``."""
    catalogue = _catalogue()
    text = catalogue.ngettext(singular, plural, number)
    return text % {"num": catalogue.number(number), **variables}


def language() -> str:
    """Return the reader's language without a country: ``en``, ``de``."""
    return _catalogue().language


def number(value: float) -> str:
    """Format a number with the reader's groups."""
    return _catalogue().number(value)


def listed(items: Sequence[str]) -> str:
    """Join items: “a, b and c”."""
    return _catalogue().listed(items)


def day_of_year(month: int, day: int) -> str:
    """Format a day of every year: “January 31”."""
    return _catalogue().day_of_year(month, day)


def marked(message: str) -> str:
    """Mark a text for translation where it is shown, and return it unchanged."""
    return message
