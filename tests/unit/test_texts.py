"""Texts for people, and those that are stored."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from taskadmin import texts
from taskadmin.models import Task
from taskadmin.store.results import why_not, why_skipped


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
    """A reader whose language has an exclamation mark behind every text."""
    monkeypatch.setattr(texts, "_given", _Loud())


@pytest.mark.usefixtures("_loud")
def test_texts_are_the_readers() -> None:
    """With their values; numbers and lists as the language writes them."""
    assert texts.gettext("Run %(id)s", id=3) == "Run 3!"
    assert texts.gettext("100 %") == "100 %!"
    assert texts.ngettext("%(num)s run", "%(num)s runs", 1) == "1 run!"
    assert texts.ngettext("%(num)s run", "%(num)s runs", 2000) == "2.000 runs!"
    assert texts.listed(["a", "b"]) == "a+b"
    assert texts.marked("Later") == "Later"


@pytest.mark.usefixtures("_loud")
def test_what_is_stored_is_english() -> None:
    """Whoever reads it later has another language."""
    with texts.untranslated():
        assert texts.language() == "en"
        assert texts.gettext("Run %(id)s", id=3) == "Run 3"
        assert texts.ngettext("%(num)s run", "%(num)s runs", 2000) == "2,000 runs"
        assert texts.listed(["a", "b", "c"]) == "a, b and c"
        assert texts.day_of_year(2, 29) == "February 29"
    assert texts.language() == "xx"


@pytest.mark.usefixtures("_loud")
def test_why_a_task_cannot_run_is_told_in_one_language_and_stored_in_another() -> None:
    """A page says it to its reader; a run's row says it to everybody."""
    task = Task(job="gone", params={})
    assert why_not(task, None) == "No job is registered under the name gone.!"
    assert why_skipped(task, None) == "No job is registered under the name gone."
