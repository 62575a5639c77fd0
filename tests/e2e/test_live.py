"""Live parts of pages: when they refresh, and when they mustn't."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import MakeVisitor
from e2e.looking import Visitor
from e2e.running_site import RunningSite
from e2e.sample import SUPERUSER, Sample

#: Many times the refresh interval.
LONG = "01:00"


@pytest.fixture
def visitor(make_visitor: MakeVisitor, sample: Sample) -> Visitor:
    """A superuser."""
    return make_visitor(SUPERUSER)


def ask_now(page: Page) -> None:
    """Let the page refresh at once, as when it becomes visible, and wait for the result."""
    with page.expect_response(lambda answer: answer.request.resource_type == "fetch") as asked:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    asked.value.finished()
    # Its text is read and its parts are replaced in the same task of the event loop.
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")


def mark(page: Page, part: str) -> None:
    """Mark an element, to see whether it is replaced."""
    page.evaluate("(part) => { document.querySelector(`[data-live=${part}]`).mark = 1; }", part)


def is_the_same(page: Page, part: str) -> bool:
    """Return whether an element is still the marked one."""
    same: bool = page.evaluate(
        "(part) => document.querySelector(`[data-live=${part}]`).mark === 1", part
    )
    return same


def test_runs_come_by_themselves(visitor: Visitor) -> None:
    """New runs appear without a reload, with times in the reader's time zone."""
    page = visitor.page
    visitor.open("/taskadmin/runs/")
    page.evaluate("window.isStillHere = true")
    newest = page.locator("tbody .name").first
    before = newest.get_attribute("href")
    assert before is not None

    expect(newest).not_to_have_attribute("href", before, timeout=20_000)

    assert page.evaluate("window.isStillHere") is True
    expect(page.locator("tbody time").first).to_have_attribute(
        "title", re.compile(r".+ · 20.+ UTC")
    )


def test_nothing_moves_under_ticked_boxes(visitor: Visitor) -> None:
    """Rows stay unchanged while any is selected."""
    page = visitor.page
    visitor.open("/taskadmin/runs/")
    box = page.locator("input[name=rowid]").first
    box.check()
    box.blur()
    mark(page, "runs")
    ask_now(page)
    assert is_the_same(page, "runs")
    expect(box).to_be_checked()
    expect(page.locator("[data-live-switch]")).to_have_text(re.compile("^On hold"))

    box.uncheck()
    page.locator("h1").hover()
    box.blur()
    ask_now(page)
    assert not is_the_same(page, "runs")


def test_rows_stay_under_the_pointer(visitor: Visitor) -> None:
    """The switch doesn't claim to be live; it counts new rows, which come once the pointer leaves."""
    page = visitor.page
    visitor.open("/taskadmin/runs/")
    switch = page.locator("[data-live-switch]")
    expect(switch).to_have_text("Live")
    row = page.locator("tbody tr").first
    row.hover()
    mark(page, "runs")
    # Tasks of the sample are due every few seconds.
    expect(switch).to_have_text(re.compile(r"^On hold\d+ new$"), timeout=20_000)
    assert is_the_same(page, "runs")

    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        page.locator("h1").hover()

    expect(switch).to_have_text("Live")
    assert not is_the_same(page, "runs")


def test_nothing_moves_under_the_focus(visitor: Visitor) -> None:
    """Nor below an open menu, nor while text is selected."""
    page = visitor.page
    visitor.open("/taskadmin/tasks/")
    summary = page.get_by_label("More actions on Dice")
    summary.focus()
    mark(page, "tasks")
    ask_now(page)
    assert is_the_same(page, "tasks")

    summary.press("Enter")
    summary.blur()
    ask_now(page)
    assert is_the_same(page, "tasks")

    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.locator("tbody .name").first.select_text()
    page.evaluate("document.activeElement.blur()")
    ask_now(page)
    assert is_the_same(page, "tasks")

    page.evaluate("getSelection().removeAllRanges()")
    ask_now(page)
    assert not is_the_same(page, "tasks")


def test_switched_off_it_stays_off(visitor: Visitor) -> None:
    """It stays off on the next page; switched on again, it refreshes at once."""
    page = visitor.page
    page.clock.install()
    visitor.open("/taskadmin/tasks/")
    switch = page.locator("[data-live-switch]")
    expect(switch).to_have_text("Live")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_text("Not live")
    expect(switch).to_have_attribute("aria-pressed", "false")

    visitor.open("/taskadmin/runs/")
    expect(switch).to_have_text("Not live")
    asked = _count_fetches(page)
    page.clock.fast_forward(LONG)
    assert asked == []

    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        switch.click()
    expect(switch).to_have_text("Live")


def test_hidden_windows_do_not_ask(visitor: Visitor) -> None:
    """A hidden page doesn't refresh until it is visible again."""
    page = visitor.page
    page.clock.install()
    visitor.open("/taskadmin/dashboard/")
    _set_hidden(page, hidden=True)
    asked = _count_fetches(page)
    page.clock.fast_forward(LONG)
    assert asked == []

    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        _set_hidden(page, hidden=False)


def test_current_tab_stays_in_view(visitor: Visitor) -> None:
    """On a phone, where tabs scroll sideways, also after their numbers were updated."""
    page = visitor.page
    visitor.show("phone", "light")
    visitor.open("/taskadmin/runs/?state=cancelled")
    current = page.locator(".tabs [aria-current]")
    expect(current).to_be_in_viewport(ratio=1)
    ask_now(page)
    expect(current).to_be_in_viewport(ratio=1)


def test_finished_runs_are_not_asked_for_again(visitor: Visitor, sample: Sample) -> None:
    """Finished runs don't change, so there is no switch."""
    page = visitor.page
    page.clock.install()
    asked = _count_fetches(page)
    run = next(id_ for state, id_ in sample.runs.items() if state == "succeeded")
    visitor.open(f"/taskadmin/runs/details/?id={run}")

    expect(page.locator("[data-live-switch]")).to_be_hidden()
    page.clock.fast_forward(LONG)
    assert asked == []


def test_logged_out_elsewhere(visitor: Visitor) -> None:
    """The page says so, keeps its content, and stops refreshing."""
    page = visitor.page
    visitor.open("/taskadmin/runs/")
    rows = page.locator("tbody tr").count()
    visitor.context.clear_cookies()
    ask_now(page)

    told = page.get_by_role("alert")
    expect(told).to_have_text("You are logged out. Reload the page")
    expect(page.locator("[data-live-switch]")).to_be_hidden()
    assert page.locator("tbody tr").count() == rows
    asked = _count_fetches(page)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert asked == []
    told.get_by_role("link").click()
    page.wait_for_url(re.compile(r"/login\?next="))


def test_task_deleted_elsewhere(visitor: Visitor) -> None:
    """The page of a deleted task stops refreshing."""
    page = visitor.page
    visitor.open("/taskadmin/tasks/new/")
    page.locator("#name").fill("Soon gone")
    page.get_by_label("Lower limit").fill("1")
    page.get_by_label("Upper limit").fill("2")
    page.get_by_role("button", name="Create task").last.click()
    visitor.is_told("Soon gone created.")
    other = visitor.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Delete …").click()
    other.locator("main").get_by_role("button", name=re.compile("Delete 1 task")).click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Tasks")
    other.close()
    ask_now(page)

    expect(page.get_by_role("alert")).to_have_text("This page no longer exists. Reload the page")


def test_chart_and_searched_list_stay_live(visitor: Visitor, sample: Sample) -> None:
    """They refresh less often, and have the switch."""
    page = visitor.page
    for path in (f"tasks/details/?id={sample.good}&tab=chart", "tasks/?search=Dice"):
        visitor.open(f"/taskadmin/{path}")
        expect(page.locator("[data-live-switch]")).to_have_text("Live")
        ask_now(page)


def test_site_that_goes_away_and_comes_back(visitor: Visitor, site: RunningSite) -> None:
    """The page says so, keeps its content, and refreshes again afterwards."""
    page = visitor.page
    visitor.open("/taskadmin/runs/")
    switch = page.locator("[data-live-switch]")
    expect(switch).to_have_text("Live")
    page.evaluate("window.isStillHere = true")
    rows = page.locator("tbody tr").count()

    site.stop_one("web")
    try:
        expect(switch).to_have_text("Reconnecting…", timeout=15_000)
        assert page.locator("tbody tr").count() == rows
    finally:
        site.start_one("web")
        site.wait_until_it_answers()

    expect(switch).to_have_text("Live", timeout=45_000)
    assert page.evaluate("window.isStillHere") is True
    # The browser's own messages about refused connections aren't problems of the page.
    visitor.problems.clear()


def _count_fetches(page: Page) -> list[str]:
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if request.resource_type == "fetch" else None,
    )
    return asked


def _set_hidden(page: Page, *, hidden: bool) -> None:
    """Simulate switching to another tab."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@pytest.mark.parametrize("path", ["users/", "preferences"])
def test_a_page_that_is_not_asked_for_again_dates_its_last_tick(
    visitor: Visitor, path: str
) -> None:
    """The last tick has its time, because it isn't refreshed."""
    visitor.open(f"/taskadmin/{path}")
    text = visitor.page.locator(".beat-text")
    expect(text).to_have_text(re.compile(r"^last tick .+ ago \(\d+:\d\d:\d\d.*\)$"))

    visitor.open("/taskadmin/runs/")
    expect(text).to_have_text(re.compile(r"^last tick .+ ago$"))
    visitor.page.get_by_role("button", name="Live").click()
    expect(text).to_have_text(re.compile(r"^last tick .+ ago \(\d+:\d\d:\d\d.*\)$"))
