"""The second factor: set up, entered, and replaced by a recovery code."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect
from pyotp import TOTP

from e2e.conftest import MakeVisitor
from e2e.looking import Visitor

NAME, PASSWORD = "olga", "four words of olga's own"


def register(visitor: Visitor) -> None:
    """Create an account."""
    page = visitor.page
    visitor.open("/taskadmin/register")
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    visitor.is_told(f"Welcome, {NAME}.")


def enter_password(visitor: Visitor) -> None:
    """Enter the password, the first step of the log in."""
    page = visitor.page
    visitor.open("/taskadmin/login")
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second factor")


def enter_code(page: Page, code: str) -> None:
    """Enter the code, the second step."""
    page.get_by_label("Code").fill(code)
    page.locator("main").get_by_role("button", name="Log in").click()


def test_the_way_of_a_second_factor(make_visitor: MakeVisitor) -> None:
    """Log in by code and recovery code in three browsers, then log out of all; without scripts."""
    here, phone, other = make_visitor(), make_visitor(javascript=False), make_visitor()
    page = here.page
    register(here)

    here.open("/taskadmin/profile")
    page.get_by_role("link", name="Set up").click()
    # The general style's lines would make the QR code unreadable.
    path = page.locator(".qr-code path[stroke]")
    expect(path).to_have_css("stroke-width", "1px")
    expect(path).to_have_css("stroke-linecap", "butt")
    app = TOTP(page.locator(".secret").inner_text().replace(" ", ""))
    page.get_by_label("Code from the app").fill(app.now())
    page.get_by_role("button", name="Turn on").click()
    items = page.locator("ul.secret li")
    expect(items).to_have_count(10)
    codes = items.all_inner_texts()

    # A used code isn't accepted again.
    enter_password(phone)
    enter_code(phone.page, app.at(int(time.time()) + 30))
    phone.page.wait_for_selector("details.user-menu")
    enter_password(other)
    enter_code(other.page, "000000")
    expect(other.page.locator("#code-error")).to_have_text(
        "This code is wrong or has already been used."
    )
    enter_code(other.page, codes[0].upper().replace("-", " "))
    other.is_told("You used a recovery code: 9 codes are left.")

    page.get_by_role("link", name="I have kept them").click()
    here.open("/taskadmin/profile")
    expect(page.locator("main")).to_contain_text("9 recovery codes left.")
    expect(page.locator("section[aria-labelledby=sessions-heading] tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Log out everywhere").click()
    here.is_told("You are logged out everywhere.")
    for visitor in (here, phone, other):
        visitor.open("/taskadmin/profile")
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Log in")
