"""What matters most on a phone, and while rows are selected."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from e2e.conftest import MakeVisitor
from e2e.looking import NO_POLLING, Visitor
from e2e.sample import SUPERUSER, Sample


@pytest.fixture
def visitor(make_visitor: MakeVisitor, sample: Sample) -> Visitor:
    """A superuser."""
    visitor = make_visitor(SUPERUSER)
    visitor.context.add_init_script(NO_POLLING)
    return visitor


@pytest.mark.parametrize("width", ["wide", "phone"])
@pytest.mark.parametrize("path", ["tasks/", "runs/"])
def test_actions_on_selected_rows_are_in_view(visitor: Visitor, path: str, width: str) -> None:
    """As soon as one is ticked, with their number; the row that has the focus isn't hidden."""
    page = visitor.page
    visitor.show(width, "light")
    visitor.open(f"/taskadmin/{path}")
    page.set_viewport_size({**page.viewport_size, "height": 500})
    bar, boxes = page.locator(".selection"), page.locator("[name=rowid]")
    expect(bar).not_to_be_in_viewport()

    boxes.first.check()

    expect(bar).to_be_in_viewport(ratio=1)
    expect(page.locator("[data-selected]")).to_have_text("1 selected:")
    boxes.nth(1).check()
    expect(page.locator("[data-selected]")).to_have_text("2 selected:")
    boxes.nth(3).focus()
    assert boxes.nth(3).bounding_box()["y"] + 24 <= bar.bounding_box()["y"]
    boxes.first.uncheck()
    boxes.nth(1).uncheck()
    page.evaluate("scrollTo(0, 0)")
    expect(bar).not_to_be_in_viewport()


def test_attention_comes_first(visitor: Visitor) -> None:
    """Before the numbers; beside the chart if there is room."""
    page = visitor.page
    visitor.open("/taskadmin/dashboard/")
    tops = {}
    for width in ("wide", "phone"):
        visitor.show(width, "light")
        tops[width] = [
            page.locator(f"[data-live={part}]").bounding_box()["y"]
            for part in ("attention", "numbers", "chart")
        ]

    attention, numbers, chart = tops["phone"]
    assert attention < numbers < chart
    attention, numbers, chart = tops["wide"]
    assert numbers < attention
