"""A new user registers, gets a role, creates a task and sees its result."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.conftest import MakeVisitor
from e2e.sample import SUPERUSER


def test_from_registering_to_the_first_result(make_visitor: MakeVisitor) -> None:
    """The first result appears without a reload."""
    newcomer = make_visitor()
    page = newcomer.page
    assert newcomer.open("/") == 200
    page.get_by_role("link", name="Register").click()
    page.get_by_label("Username").fill("nadia")
    page.get_by_label("Password", exact=True).fill("a password of nadia's own")
    page.get_by_label("Confirm").fill("a password of nadia's own")
    page.get_by_role("button", name="Register").click()
    newcomer.is_told("Welcome, nadia.")
    expect(page.get_by_role("main")).to_contain_text("Your account has no role yet.")

    assert newcomer.open("/taskadmin/tasks/") == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")

    superuser = make_visitor(SUPERUSER)
    superuser.page.get_by_role("link", name="Users", exact=True).click()
    superuser.page.get_by_role("link", name="nadia", exact=True).click()
    superuser.page.get_by_label("Superuser").check()
    superuser.page.get_by_role("button", name="Save").click()
    superuser.is_told("Roles of nadia saved.")

    assert newcomer.open("/taskadmin/tasks/") == 200
    page.get_by_role("link", name="Create the first task").click()
    page.locator("#name").fill("My first task")
    page.get_by_label("Lower limit").fill("10")
    page.get_by_label("Upper limit").fill("20")
    page.get_by_role("button", name="Create task").last.click()
    newcomer.is_told("My first task created.")

    # Usually the page before the first run; nothing is clicked from here on.
    page.evaluate("window.isStillHere = true")
    result = page.locator("[data-live=runs] tbody tr td[data-label=Result]").last
    expect(result).to_have_text(re.compile(r"1\d(\.\d+)?"), timeout=30_000)
    expect(page.locator("[data-live=facts]")).to_contain_text("succeeded")
    assert page.evaluate("window.isStillHere") is True


def test_profile_keeps_a_new_password(make_visitor: MakeVisitor) -> None:
    """A password changed in the profile can be used to log in."""
    visitor = make_visitor()
    page = visitor.page
    visitor.open("/taskadmin/register")
    page.get_by_label("Username").fill("otto")
    page.get_by_label("Password", exact=True).fill("the first password")
    page.get_by_label("Confirm").fill("the first password")
    page.get_by_role("button", name="Register").click()
    visitor.is_told("Welcome, otto.")
    visitor.open("/taskadmin/profile")
    page.get_by_label("Current password").fill("the first password")
    page.get_by_label("New password", exact=True).fill("the second password")
    page.get_by_label("Confirm").fill("the second password")
    page.get_by_role("button", name="Change password").click()
    visitor.is_told("Password changed. Your other sessions have been logged out.")

    page.locator("details.user-menu summary").click()
    page.get_by_role("button", name="Log out", exact=True).click()
    visitor.is_told("You are logged out.")

    visitor.log_in("otto", "the second password")
    expect(page.get_by_role("heading", level=1)).to_have_text("otto")


def test_a_double_click_creates_one_task(make_visitor: MakeVisitor) -> None:
    """The second click comes before the response to the first."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/new/")
    page.locator("#name").fill("Clicked twice")
    page.get_by_label("Lower limit").fill("1")
    page.get_by_label("Upper limit").fill("2")
    page.get_by_role("button", name="Create task").last.dblclick(no_wait_after=True)
    visitor.is_told("Clicked twice created.")

    visitor.open("/taskadmin/tasks/?search=Clicked+twice")
    expect(page.locator("tbody .name")).to_have_text(["Clicked twice"])
