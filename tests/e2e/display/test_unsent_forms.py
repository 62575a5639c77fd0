"""Forms that were sent after the session had ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import URL, create_engine, text

from e2e.conftest import MakeVisitor
from e2e.sample import PASSWORD, REVIEWER, SUPERUSER

TOLD = (
    "You were logged out, or this page had expired: the form wasn't sent, and nothing was changed."
    " Check it and send it again."
)


@pytest.fixture
def end_sessions(site_database: URL) -> Callable[[], None]:
    """End all sessions, as an administrator may."""

    def end() -> None:
        engine = create_engine(site_database)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM taskadmin_session"))
        engine.dispose()

    return end


def log_in_again(page: Page, name: str) -> None:
    """Log in on the page that is shown instead of the form."""
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("details.user-menu")


@pytest.mark.parametrize("is_forgotten", [True, False], ids=["cookie", "session"])
def test_what_was_typed_is_back_after_the_log_in(
    make_visitor: MakeVisitor, end_sessions: Callable[[], None], is_forgotten: bool
) -> None:
    """With the arguments of another job and its schedule; only a second Create creates the task."""
    visitor = make_visitor(SUPERUSER)
    page = visitor.page
    visitor.open("/taskadmin/tasks/new/")
    page.get_by_label("Job").select_option("table_rows")
    page.get_by_label("table").fill("taskadmin_user")
    page.locator("#name").fill(f"Typed twice {is_forgotten}")
    page.locator("input[name=kind][value=cron]").check()
    page.locator("#cron").fill("15 3 * * 1")
    if is_forgotten:
        visitor.context.clear_cookies(name="session")
    else:
        end_sessions()
    page.locator(".buttons").get_by_role("button", name="Create task").click()
    visitor.is_told(TOLD)
    log_in_again(page, SUPERUSER)

    expect(page).to_have_url(f"{visitor.address}/taskadmin/tasks/new/")
    visitor.is_told(TOLD)
    expect(page.get_by_label("table")).to_have_value("taskadmin_user")
    expect(page.locator("#name")).to_have_value(f"Typed twice {is_forgotten}")
    expect(page.locator("#cron")).to_have_value("15 3 * * 1")
    expect(page.locator(".in-words")).to_contain_text("03:15")
    page.locator(".buttons").get_by_role("button", name="Create task").click()
    visitor.is_told(f"Typed twice {is_forgotten} created.")


def test_passwords_are_not_kept(make_visitor: MakeVisitor) -> None:
    """Nor is anything else after the form has been shown again."""
    visitor = make_visitor(REVIEWER)
    page = visitor.page
    visitor.open("/taskadmin/profile")
    visitor.context.clear_cookies(name="session")
    fields = page.locator("main input[type=password]")
    fields.first.fill("a secret of rita")
    page.get_by_role("button", name="Change password").click()
    kept = page.evaluate("sessionStorage.getItem('taskadmin-unsent')")
    log_in_again(page, REVIEWER)

    visitor.is_told(TOLD)
    expect(fields.first).to_have_value("")
    assert "secret" not in kept
    assert page.evaluate("sessionStorage.getItem('taskadmin-unsent')") is None


def test_nobody_else_gets_what_was_typed(make_visitor: MakeVisitor) -> None:
    """If another user logs in in the same tab."""
    visitor = make_visitor(REVIEWER)
    page = visitor.page
    visitor.open("/taskadmin/preferences")
    page.locator("#zone").fill("Asia/Tokyo")
    visitor.context.clear_cookies(name="session")
    page.get_by_role("button", name="Save").click()
    log_in_again(page, SUPERUSER)

    visitor.is_told(TOLD)
    expect(page.locator("#zone")).not_to_have_value("Asia/Tokyo")
    assert page.evaluate("sessionStorage.getItem('taskadmin-unsent')") is None


def test_without_scripts_the_form_is_shown_again(make_visitor: MakeVisitor) -> None:
    """Empty, with a message."""
    visitor = make_visitor(REVIEWER, javascript=False)
    page = visitor.page
    visitor.open("/taskadmin/preferences")
    visitor.context.clear_cookies(name="session")
    page.get_by_role("button", name="Save").click()
    log_in_again(page, REVIEWER)

    expect(page).to_have_url(f"{visitor.address}/taskadmin/preferences")
    visitor.is_told(TOLD)
