"""The API's documentation page: Swagger UI under the site's policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.conftest import MakeVisitor
from e2e.looking import THEMES, picture
from services.api.openapi import checked_in

PAGE = "/taskadmin/api/v1/docs"


@pytest.mark.parametrize("theme", THEMES)
def test_it_lists_all_operations(make_visitor: MakeVisitor, pictures: Path, theme: str) -> None:
    """Without log in and without an error in the browser; one opens."""
    visitor = make_visitor()
    visitor.show("wide", theme)
    assert visitor.open(PAGE) == 200
    operations = [one for methods in checked_in()["paths"].values() for one in methods]
    page = visitor.page
    expect(page.locator(".opblock")).to_have_count(len(operations))
    picture(page, pictures / f"api-docs-{theme}.png")

    page.locator(".opblock-summary-control").first.click()
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (background != "rgba(0, 0, 0, 0)") is (theme == "dark")
    expect(page.locator(".opblock.is-open .responses-table").first).to_be_visible()
    picture(page, pictures / f"api-docs-open-{theme}.png")
