"""Texts for readers, and stored texts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from taskadmin.models import Task
from taskadmin.store.runs.results import why_not, why_skipped
from taskadmin.translation import texts


class _Loud:
    language = "xx"

    def gettext(self, message: str) -> str:
        return f"{message}!"

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return f"{singular if number == 1 else plural}!"

    def number(self, number: float) -> str:
        return f"{number:,}".replace(",", ".")

    def listed(self, items: Sequence[str]) -> str:
        return "+".join(items)

    def day_of_year(self, month: int, day: int) -> str:
        return f"{day}.{month}."


@pytest.fixture
def _loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose language adds an exclamation mark to all texts."""
    monkeypatch.setattr(texts, "_given", _Loud())


@pytest.mark.usefixtures("_loud")
def test_texts_are_the_readers() -> None:
    """With values, numbers and lists in the reader's language."""
    assert texts.gettext("Run %(id)s", id=3) == "Run 3!"
    assert texts.gettext("100 %") == "100 %!"
    assert texts.ngettext("%(num)s run", "%(num)s runs", 1) == "1 run!"
    assert texts.ngettext("%(num)s run", "%(num)s runs", 2000) == "2.000 runs!"
    assert texts.listed(["a", "b"]) == "a+b"
    assert texts.marked("Later") == "Later"


@pytest.mark.usefixtures("_loud")
def test_stored_texts_are_english() -> None:
    """Later readers may have other languages."""
    with texts.untranslated():
        assert texts.language() == "en"
        assert texts.gettext("Run %(id)s", id=3) == "Run 3"
        assert texts.ngettext("%(num)s run", "%(num)s runs", 2000) == "2,000 runs"
        assert texts.listed(["a", "b", "c"]) == "a, b and c"
        assert texts.day_of_year(2, 29) == "February 29"
    assert texts.language() == "xx"


@pytest.mark.usefixtures("_loud")
def test_reasons_are_shown_translated_and_stored_in_english() -> None:
    """The page uses the reader's language, the stored run English."""
    task = Task(job="gone", params={})
    assert why_not(task, None) == "No job named gone is registered.!"
    assert why_skipped(task, None) == "No job named gone is registered."


@pytest.mark.parametrize(
    ("value", "text"),
    [(10**4299, "1" + ",000" * 1433), (10**5000, "1e+5000"), (-(10**5000), "-1e+5000")],
    ids=["4,300 digits", "5,001 digits", "negative"],
)
def test_english_numbers_have_any_size(value: int, text: str) -> None:
    """Beyond Python's limit of 4,300 digits, they are rounded as on pages."""
    assert texts.ENGLISH.number(value) == text
    with texts.untranslated():
        assert texts.ngettext("%(num)s run", "%(num)s runs", value) == f"{text} runs"
