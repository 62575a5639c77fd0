"""A reader with another language."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from taskadmin.translation import texts


class Elsewhere:
    """A language that has all texts in capitals."""

    language = "xx"

    def gettext(self, message: str) -> str:
        """Return the text in capitals, except for placeholders."""
        return "".join(
            part if number % 2 else part.upper()
            for number, part in enumerate(texts_and_names(message))
        )

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return a text that shows the number used for the plural form."""
        return self.gettext(singular if number == 1 else plural)

    def number(self, number: float) -> str:
        """Return a number with a decimal comma."""
        return str(number).replace(".", ",")

    def listed(self, items: Sequence[str]) -> str:
        """Return a list with a special separator."""
        return " & ".join(items)

    def day_of_year(self, month: int, day: int) -> str:
        """Return the date as numbers."""
        return f"{day}.{month}."


def texts_and_names(message: str) -> list[str]:
    """Split a text into texts and placeholders, alternately."""
    return re.split(r"(%\(\w+\)s)", message)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader with that language."""
    monkeypatch.setattr(texts, "_given", Elsewhere())
