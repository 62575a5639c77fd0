"""Texts for people, in the language of whoever looks at them; English is what the code has.

This module knows no language and no Flask: ``taskadmin.i18n`` gives it the catalogues. What is
stored or logged stays English, because somebody else may read it: such texts aren't marked, or
are made within ``untranslated``.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Catalogue(Protocol):
    """Finds texts in the language of the current reader, and writes as it does."""

    @property
    def language(self) -> str: ...

    def gettext(self, message: str) -> str: ...

    def ngettext(self, singular: str, plural: str, number: int) -> str: ...

    def number(self, number: float) -> str: ...

    def listed(self, items: Sequence[str]) -> str: ...

    def day_of_year(self, month: int, day: int) -> str: ...


class _English:
    language = "en"

    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural

    def number(self, number: float) -> str:
        return f"{number:,}"

    def listed(self, items: Sequence[str]) -> str:
        *head, last = items
        return f"{', '.join(head)} and {last}" if head else last

    def day_of_year(self, month: int, day: int) -> str:
        return f"{calendar.month_name[month]} {day}"


#: The texts as the code has them.
ENGLISH: Catalogue = _English()
_given: Catalogue = ENGLISH
_is_untranslated: ContextVar[bool] = ContextVar("taskadmin_untranslated", default=False)


def use(catalogue: Catalogue) -> None:
    """Take texts from *catalogue*; it looks by itself for whom."""
    global _given
    _given = catalogue


def _catalogue() -> Catalogue:
    return ENGLISH if _is_untranslated.get() else _given


@contextmanager
def untranslated() -> Iterator[None]:
    """English inside: for texts that are stored."""
    token = _is_untranslated.set(True)
    try:
        yield
    finally:
        _is_untranslated.reset(token)


def gettext(message: str, /, **variables: Any) -> str:
    """*message* in the reader's language, with *variables* put in as ``%(name)s``."""
    text = _catalogue().gettext(message)
    return text % variables if variables else text


def ngettext(singular: str, plural: str, number: int, /, **variables: Any) -> str:
    """The form that fits *number*, which ``%(num)s`` stands for, grouped as the reader does."""
    catalogue = _catalogue()
    text = catalogue.ngettext(singular, plural, number)
    return text % {"num": catalogue.number(number), **variables}


def language() -> str:
    """The reader's language without its country: ``en``, ``de``."""
    return _catalogue().language


def number(value: float) -> str:
    """A number with groups as the reader writes them."""
    return _catalogue().number(value)


def listed(items: Sequence[str]) -> str:
    """One thing or several: “a, b and c”."""
    return _catalogue().listed(items)


def day_of_year(month: int, day: int) -> str:
    """A day that comes every year: “January 31”."""
    return _catalogue().day_of_year(month, day)


def marked(message: str) -> str:
    """*message* as it is: marks a text that is translated where it is shown, or stored in English."""
    return message
