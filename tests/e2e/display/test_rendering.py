"""How pages are drawn: steadily, on paper, and in forced colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from e2e.conftest import MakeVisitor
from e2e.looking import HEIGHT, MEASURE_SHIFT, NO_POLLING, WIDTHS, Visitor, picture
from e2e.pages import VISITS, Visit
from e2e.running_site import RunningSite
from e2e.sample import PASSWORD, SUPERUSER, Sample

#: Waits until something has been drawn.
PAINTED = """new Promise((done) =>
  new PerformanceObserver(() => done()).observe({ type: "paint", buffered: true })
)"""
#: Google's limit for "good" is 0.1.
MOST_SHIFT = 0.05


@pytest.fixture(scope="module")
def visitors(browser: Browser, site: RunningSite) -> Iterator[dict[str | None, Visitor]]:
    """A browser for each role, logged in when it is first used."""
    visitors: dict[str | None, Visitor] = {}
    yield visitors
    for visitor in visitors.values():
        visitor.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("visit", [one for one in VISITS if one.then is None], ids=str)
def test_nothing_moves_while_a_page_loads(
    visit: Visit,
    width: str,
    sample: Sample,
    browser: Browser,
    site: RunningSite,
    visitors: dict[str | None, Visitor],
) -> None:
    """Even if its last script arrives after everything has been drawn."""
    if visit.who not in visitors:
        visitors[visit.who] = Visitor(browser, site.address)
        if visit.who is not None:
            visitors[visit.who].log_in(visit.who, PASSWORD)
    visitor = visitors[visit.who]
    page = visitor.context.new_page()
    page.add_init_script(MEASURE_SHIFT + NO_POLLING)
    page.set_viewport_size({"width": WIDTHS[width], "height": HEIGHT})
    held: list[Route] = []
    page.route("**/live.js*", lambda route: held.append(route))

    with page.expect_request("**/live.js*"):
        page.goto(f"{site.address}/taskadmin/{visit.path(sample)}", wait_until="commit")
    page.evaluate(PAINTED)
    held[0].continue_()
    page.wait_for_load_state()
    # Layout shifts are reported after the frame that draws them.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shifts = page.evaluate("window.shifts")
    page.close()

    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts


@pytest.mark.parametrize("look", ["forced", "print"])
def test_pages_are_readable_on_paper_and_in_forced_colours(
    look: str, make_visitor: MakeVisitor, sample: Sample, pictures: Path
) -> None:
    """Without menus and buttons; the current tab and state don't depend on backgrounds."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    page.evaluate("localStorage.setItem('taskadmin-theme', 'dark')")
    if look == "print":
        page.emulate_media(media="print")
    else:
        page.emulate_media(forced_colors="active")
    for path in ("dashboard/", "tasks/", f"tasks/details/?id={sample.good}&tab=chart", "runs/"):
        visitor.open(f"/taskadmin/{path}")
        picture(page, pictures / f"{look}-{path.partition('?')[0].replace('/', '-')}.png")

    if look == "print":
        for shown in page.locator("header.bar, .tools, .head .btn, input").all():
            expect(shown).to_be_hidden()
        expect(page.locator("tbody .name").first).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
    else:
        expect(page.locator(".tabs [aria-current]")).to_have_css("outline-style", "solid")
        expect(page.locator("tbody .state").first).to_have_css("border-top-style", "solid")


def test_the_first_error_has_the_focus(make_visitor: MakeVisitor) -> None:
    """So that people and screen readers find it in a long form."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/new/")
    page.locator("#name").fill("Upside down")
    page.locator("#upper_limit").fill("1,5")
    page.locator("input[name=kind][value=interval]").check()
    page.locator("#every").fill("x")
    page.locator(".buttons").get_by_role("button", name="Create task").click()

    expect(page.locator("#lower_limit")).to_be_focused()
    expect(page.locator("#every")).to_have_attribute("aria-invalid", "true")


def test_fields_of_other_kinds_are_hidden_without_scripts(make_visitor: MakeVisitor) -> None:
    """The stylesheet shows the fields of the selected kind."""
    page = make_visitor(SUPERUSER, javascript=False).page
    page.goto(page.url.replace("dashboard/", "tasks/new/"))
    shown = {}
    for kind in ("slot", "interval", "cron", "once"):
        page.locator(f"input[name=kind][value={kind}]").check()
        names = ("#every", "#cron", "#once_at", "#zone")
        shown[kind] = [name for name in names if page.locator(name).is_visible()]

    assert shown == {
        "slot": [],
        "interval": ["#every"],
        "cron": ["#cron", "#zone"],
        "once": ["#once_at", "#zone"],
    }
