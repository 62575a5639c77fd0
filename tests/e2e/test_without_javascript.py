"""The main tasks in a browser without scripts: forms, links and reloads."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.conftest import MakeVisitor
from e2e.sample import NOBODY, PASSWORD, SUPERUSER, Sample
from services.servers.processes import wait_for


def test_register_and_log_in(make_visitor: MakeVisitor) -> None:
    """After log in, the requested page is shown."""
    visitor = make_visitor(javascript=False)
    page = visitor.page
    visitor.open("/taskadmin/register")
    page.get_by_label("Username").fill("noor")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    visitor.is_told("Welcome, noor.")
    page.locator("details.user-menu summary").click()
    page.get_by_role("button", name="Log out", exact=True).click()
    visitor.is_told("You are logged out.")

    visitor.open("/taskadmin/profile")
    visitor.page.get_by_label("Username").fill("noor")
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(f"{visitor.address}/taskadmin/profile")


def test_create_a_task_and_run_it_now(make_visitor: MakeVisitor) -> None:
    """A button loads another job's fields; the result is shown after a reload."""
    visitor = make_visitor(SUPERUSER, javascript=False)
    page = visitor.page
    visitor.open("/taskadmin/tasks/new/")
    page.get_by_label("Job").select_option("table_rows")
    page.get_by_role("button", name="Use this job").click()
    page.locator("#name").fill("Rows of users")
    page.get_by_label("table").fill("taskadmin_user")
    page.get_by_label("cron", exact=False).first.check()
    page.locator("#cron").fill("0 3 * * 1")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".next-runs li")).to_have_count(5)
    page.locator(".buttons").get_by_role("button", name="Create task").click()
    visitor.is_told("Rows of users created.")

    page.get_by_role("button", name="Run now").click()
    visitor.is_told("1 run queued and sent to the workers.")

    def result() -> str:
        page.reload()
        text: str = page.locator("[data-live=runs] td[data-label=Result]").first.inner_text()
        return text

    wait_for(lambda: re.fullmatch(r"\d+", result()), what="the result")


def test_filter_and_pause_in_bulk(make_visitor: MakeVisitor, sample: Sample) -> None:
    """Search, select, act and confirm, also for all matching tasks."""
    visitor = make_visitor(SUPERUSER, javascript=False)
    page = visitor.page
    visitor.open("/taskadmin/tasks/")
    page.get_by_label("Search tasks").fill("dice")
    page.get_by_role("button", name="Search").click()
    names = page.locator("tbody .name")
    expect(names).to_have_text(["Dice"])

    page.get_by_label("Select Dice").check()
    page.locator(".selection").get_by_role("button", name="Pause …").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pause 1 task?")
    page.get_by_label("Note").fill("They are loaded.")
    page.get_by_role("button", name="Pause 1 task").click()
    visitor.is_told("1 task paused.")
    expect(page.locator("tbody tr")).to_contain_text("They are loaded.")

    page.locator("[data-all-matching]").check()
    page.locator(".selection").get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume 1 task").click()
    visitor.is_told("1 task resumed.")
    expect(names).to_have_text(["Dice"])


def test_speak_another_language(make_visitor: MakeVisitor) -> None:
    """The chosen language is saved with the account."""
    visitor = make_visitor(NOBODY, javascript=False)
    page = visitor.page
    visitor.open("/taskadmin/preferences")
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")

    other = make_visitor(NOBODY)
    other.open("/taskadmin/preferences")
    expect(other.page.locator("html")).to_have_attribute("lang", "de")

    page.locator("#language").select_option("")
    page.locator("#submit").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
