"""Times in the browser's zone, Europe/Berlin, from the first page on."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from e2e.conftest import MakeVisitor
from e2e.sample import SUPERUSER, Sample
from taskadmin.models import RunState

ZONE_COOKIE = "taskadmin_zone"


def test_the_first_page_has_the_browsers_times(make_visitor: MakeVisitor, sample: Sample) -> None:
    """It is loaded once more, and no other is."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.context.clear_cookies(name=ZONE_COOKIE)
    pages: list[str] = []
    page.on("framenavigated", lambda frame: pages.append(frame.url))

    visitor.open("/taskadmin/dashboard/")
    expect(page.locator(".legend")).to_contain_text("Times in Europe/Berlin")
    visitor.open("/taskadmin/runs/")

    assert len(pages) == 3


def test_all_times_are_in_one_zone(make_visitor: MakeVisitor, sample: Sample) -> None:
    """In charts, tables, forms and sentences; UTC is only in tooltips."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    paths = {
        "dashboard/": "Times in Europe/Berlin",
        "dashboard/?table=1": "CET",
        "tasks/new/": "",
        f"tasks/details/?id={sample.paused}": "Paused",
        f"tasks/details/?id={sample.good}&tab=chart": "Europe/Berlin",
        f"tasks/details/?id={sample.good}&tab=chart&as=table": "CET",
        f"runs/details/?id={sample.runs[RunState.SUCCEEDED]}": "",
        f"launches/details/?id={sample.launch}": "",
        "preferences": "CET",
    }
    for path, told in paths.items():
        visitor.open(f"/taskadmin/{path}")
        expect(page.locator("main")).to_contain_text(told)
        expect(page.locator("main")).not_to_contain_text("UTC")

    visitor.open(f"/taskadmin/tasks/details/?id={sample.good}")
    page.get_by_role("button", name="Pause …").click()
    expect(page.locator("main")).to_contain_text("Time in Europe/Berlin.")


def test_no_message_is_lost(make_visitor: MakeVisitor) -> None:
    """A page with a message isn't loaded again."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/preferences")
    visitor.context.clear_cookies(name=ZONE_COOKIE)
    page.get_by_role("button", name="Save").click()

    visitor.is_told("Preferences saved.")
    expect(page.locator("main")).to_contain_text("UTC")
    page.reload()
    expect(page.locator("main")).to_contain_text("CET")


@pytest.mark.usefixtures("sample")
def test_without_scripts_times_are_in_utc(make_visitor: MakeVisitor) -> None:
    """The dashboard says so."""
    visitor = make_visitor(SUPERUSER, javascript=False)
    visitor.open("/taskadmin/dashboard/")

    expect(visitor.page.locator(".legend")).to_contain_text("Times in UTC")
