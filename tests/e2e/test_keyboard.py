"""Pages by keyboard alone, with a visible focus."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import MakeVisitor
from e2e.looking import WIDTHS
from e2e.sample import SUPERUSER, Sample

#: Whether the focused element has an outline.
SEES_FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
}"""


def focused(page: Page) -> str:
    """Return roughly how screen readers would announce the focused element."""
    text: str = page.evaluate(
        "(document.activeElement.getAttribute('aria-label')"
        " || document.activeElement.innerText || document.activeElement.name || '').trim()"
    )
    return text


def tab_to(page: Page, name: str, *, most: int = 80) -> None:
    """Press Tab until the element of that name has the focus."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(focused(page))
        assert page.evaluate(SEES_FOCUS), f"{passed[-1]!r} has no visible focus"
        if passed[-1] == name:
            return
    raise AssertionError(f"{name!r} isn't among {passed}")


def test_skip_link_is_first(make_visitor: MakeVisitor) -> None:
    """The first link skips the menu."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/audit/")

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_log_in(make_visitor: MakeVisitor) -> None:
    """Log in with Tab and Enter."""
    visitor = make_visitor()
    page = visitor.page
    visitor.open("/taskadmin/login")
    page.get_by_label("Username").focus()
    page.keyboard.type("nobody of that name")
    page.keyboard.press("Tab")
    page.keyboard.type("some password")
    page.keyboard.press("Enter")

    expect(page.locator(".error")).to_have_text("Username or password is wrong.")


def test_menu_and_tabs(make_visitor: MakeVisitor, sample: Sample) -> None:
    """Pages and states are links, in their visual order."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/dashboard/")
    tab_to(page, "Runs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(page.locator("nav#menu [aria-current=page]")).to_have_text("Runs")

    page.locator(".tabs a").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(r"state="))
    assert page.locator(".tabs [aria-current=page]").count() == 1


def test_menu_of_a_phone(make_visitor: MakeVisitor) -> None:
    """The button opens it; browsers announce the state of a popover's button."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    page.set_viewport_size({"width": WIDTHS["phone"], "height": 800})
    visitor.open("/taskadmin/audit/")
    menu = page.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()

    tab_to(page, "Menu")
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    tab_to(page, "Tasks", most=4)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    expect(menu).to_be_hidden()


@pytest.mark.parametrize("width", WIDTHS)
def test_menu_of_a_row(make_visitor: MakeVisitor, sample: Sample, width: str) -> None:
    """Enter opens it, Escape closes it and returns the focus, and its links work."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    page.set_viewport_size({"width": WIDTHS[width], "height": 800})
    visitor.open("/taskadmin/tasks/?search=Dice")
    summary = page.get_by_label("More actions on Dice")
    edit = page.get_by_role("link", name="Edit Dice")

    summary.focus()
    page.keyboard.press("Enter")
    expect(edit).to_be_visible()
    page.keyboard.press("Escape")
    expect(edit).to_be_hidden()
    expect(summary).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(edit).to_be_focused()
    assert page.evaluate(SEES_FOCUS)
    expect(edit).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit Dice")


def test_rows_are_ticked_by_space(make_visitor: MakeVisitor, sample: Sample) -> None:
    """The available actions and the number of selected rows appear."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/")
    boxes = page.locator("input[name=rowid]")
    number = boxes.count()
    said = page.locator("[data-selected]")
    pause = page.locator(".selection").get_by_role("button", name="Pause …")
    expect(said).to_have_text("Select tasks to act on them.")
    expect(pause).to_be_hidden()

    boxes.nth(0).focus()
    page.keyboard.press("Space")
    expect(said).to_have_text("1 selected:")
    expect(pause).to_be_visible()

    page.get_by_label("Select all tasks on this page").focus()
    page.keyboard.press("Space")
    expect(said).to_have_text(f"{number} selected:")
    page.keyboard.press("Space")
    expect(said).to_have_text("Select tasks to act on them.")


def test_every_stop_of_the_tab_key_is_seen(make_visitor: MakeVisitor, sample: Sample) -> None:
    """Every focusable element of a list and of a form is visible when focused."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    for path in ("tasks/?search=Dice", f"tasks/edit/?id={sample.good}"):
        visitor.open(f"/taskadmin/{path}")
        stops = 0
        while True:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            stops += 1
            assert page.evaluate(SEES_FOCUS), f"{focused(page)!r} of {path} has no visible focus"
            assert page.evaluate(
                "(() => { const box = document.activeElement.getBoundingClientRect();"
                " return box.width > 0 && box.bottom > 0 && box.top < innerHeight; })()"
            ), f"{focused(page)!r} of {path} isn't on screen"
            assert stops < 150
        assert stops > 15


def test_bars_of_a_chart_say_what_they_are_and_lead_there(
    make_visitor: MakeVisitor, sample: Sample
) -> None:
    """By keyboard with one tab stop and arrows, by mouse, and by a second touch."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/dashboard/?range=1d")
    bars, tip = page.locator(".chart.wide a"), page.locator(".tip")
    first, second = (bars.nth(place).get_attribute("aria-label") or "" for place in (0, 1))

    tab_to(page, first)
    expect(tip).to_have_text(first)
    page.keyboard.press("ArrowRight")
    expect(tip).to_have_text(second)
    expect(tip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Tab")
    expect(tip).to_have_count(0)

    bars.nth(0).hover()
    expect(tip).to_have_text(first)
    bars.nth(1).evaluate(
        "(bar) => bar.dispatchEvent(new PointerEvent('click', "
        "{pointerType: 'touch', bubbles: true, cancelable: true}))"
    )
    expect(tip).to_have_text(second)
    bars.nth(1).click()
    page.wait_for_url("**/runs/?between=*")
    number = sum(int(one) for one in re.findall(r"(\d+) (?:succeeded|failed|skipped)", second))
    expect(page.locator(".tabs [aria-current] .count")).to_have_text(str(number))


def test_single_keys_act_on_rows_and_go_to_pages(make_visitor: MakeVisitor, sample: Sample) -> None:
    """Not while somebody types, and not after they were switched off."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/")
    names = page.locator("main tbody a.name")
    ticks = page.locator("[name=rowid]")

    page.keyboard.press("j")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(names.nth(1)).to_be_focused()
    page.keyboard.press("x")
    expect(ticks.nth(1)).to_be_checked()
    page.keyboard.press("k")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search tasks")).to_be_focused()
    page.keyboard.type("gx?")
    expect(page.get_by_role("searchbox", name="Search tasks")).to_have_value("gx?")

    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_label("Use single keys in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(names.nth(0)).not_to_be_focused()
    page.evaluate("localStorage.clear()")
    page.reload()

    page.keyboard.press("g")
    with page.expect_navigation(url="**/taskadmin/runs/"):
        page.keyboard.press("r")
    page.go_back()
    page.keyboard.press("j")
    with page.expect_navigation(url="**/tasks/edit/**"):
        page.keyboard.press("e")


def test_the_palette_finds_pages_tasks_runs_and_actions(
    make_visitor: MakeVisitor, sample: Sample
) -> None:
    """Also from a field, by keyboard alone."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/")
    options = page.get_by_role("option")

    page.get_by_role("searchbox", name="Search tasks").focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()
    page.keyboard.type("laun")
    expect(options.first).to_have_text("Launches")
    page.keyboard.press("Enter")
    page.wait_for_url("**/taskadmin/launches/")

    page.keyboard.press("Control+k")
    page.keyboard.type("unit int")
    expect(options.first).to_have_text("Unit interval")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/details/**")

    run = next(id_ for state, id_ in sample.runs.items() if state == "succeeded")
    page.keyboard.press("Control+k")
    page.keyboard.type(str(run))
    expect(options.first).to_have_text(f"Run {run}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/details/?id={run}")

    page.keyboard.press("Control+k")
    page.keyboard.type("no page is called that")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
