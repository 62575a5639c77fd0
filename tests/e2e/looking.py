"""Checks that apply to every page, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    expect,
    sync_playwright,
)

WIDTHS = {"wide": 1280, "phone": 375}
#: Other widths without horizontal scrolling; the last also has screenshots.
OTHER_WIDTHS = (320, 600, 900, 1024, 768)
THEMES = ("light", "dark")
HEIGHT = 800
#: Timeout in milliseconds, because CI's machine is busy.
PATIENCE = 15_000
#: CI runs as root, which needs --no-sandbox. The others prevent requests to Google.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
#: Records violations of the Content-Security-Policy.
COUNT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
  `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`
));
"""
#: Sums up the layout shift that nobody caused: https://web.dev/articles/cls
MEASURE_SHIFT = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    const moved = one.sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 80));
    if (!one.hadRecentInput) window.shifts.push([one.value, moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
#: Keeps live parts from refreshing during the checks.
NO_POLLING = """
const setTimeoutOfTheBrowser = window.setTimeout;
window.setTimeout = (function_, delay, ...rest) =>
  delay >= 1000 ? 0 : setTimeoutOfTheBrowser(function_, delay, ...rest);
"""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start Chromium; without it, tests are skipped, or fail in CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        message = "Chromium isn't installed (Debian: apt-get install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield browser
        browser.close()


class Visitor:
    """A user with a separate browser profile, and the problems in that browser."""

    def __init__(
        self, browser: Browser, address: str, *, javascript: bool = True, language: str = "en-US"
    ) -> None:
        self.address = address
        #: The current page's request.
        self.asked: Request | None = None
        #: Script errors, requests to other hosts, violations of the policy.
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": WIDTHS["wide"], "height": HEIGHT},
            java_script_enabled=javascript,
            locale=language,
            timezone_id="Europe/Berlin",
            # No animations during measurements and screenshots.
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE)
        self._javascript = javascript
        if javascript:
            self.context.add_init_script(COUNT_VIOLATIONS)
        self.page = self.context.new_page()
        self._watch(self.page)

    def open(self, path: str) -> int:
        """Go to a path of the site, and return the response's status."""
        answer = self.page.goto(self.address + path)
        assert answer is not None
        status: int = answer.status
        return status

    def log_in(self, name: str, password: str) -> None:
        """Log in through the form."""
        self.open("/taskadmin/login")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_selector("details.user-menu")

    def show(self, width: str, theme: str) -> None:
        """Change the window's width and the page's theme, without a reload."""
        self.page.set_viewport_size({"width": WIDTHS[width], "height": HEIGHT})
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")

    def is_told(self, text: str) -> None:
        """Wait until the page shows this message only."""
        expect(self.page.locator(".messages .message")).to_have_text([text])

    def wrong_in(self, tag: str) -> list[str]:
        """Return the problems of the current page in another language."""
        asked = self.asked
        assert asked is not None
        shown = asked.response()
        assert shown is not None
        headers = {"Accept-Language": tag}
        if asked.post_data_buffer is not None:
            headers["Content-Type"] = asked.headers["content-type"]
        answer = self.context.request.fetch(
            asked.url, method=asked.method, data=asked.post_data_buffer, headers=headers
        )
        page = answer.text()
        found = []
        if answer.status != shown.status:
            found.append(f"{tag}: {answer.status} instead of {shown.status}")
        if f'<html lang="{tag}"' not in page or page.count("<h1") != 1:
            found.append(f"{tag}: another page: {page[:200]}")
        return found

    def take_problems(self) -> list[str]:
        """Return the problems since the last call."""
        if self._javascript:
            self.problems += [f"CSP: {one}" for one in self.page.evaluate("window.violations")]
            self.page.evaluate("window.violations = []")
        problems, self.problems[:] = [*self.problems], []
        return problems

    def close(self) -> None:
        self.context.close()

    def _note(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self.asked = request

    def _watch(self, page: Page) -> None:
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on(
            "console",
            lambda message: (
                self.problems.append(f"console: {message.text}")
                if message.type in ("error", "warning")
                # Chromium logs this for every response that isn't 2xx, such as forms with errors.
                and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                self.problems.append(f"asks another host: {request.url}")
                if not request.url.startswith((self.address, "data:"))
                else None
            ),
        )


def wider_than_window(page: Page) -> list[str]:
    """Return the outermost elements that make the page scroll horizontally."""
    found: list[str] = page.evaluate(
        """() => {
          const most = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= most) return [];
          const scrolls = (one) => {
            for (let up = one.parentElement; up; up = up.parentElement)
              if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX))
                return up !== document.documentElement && up !== document.body;
            return false;
          };
          const wide = [...document.body.querySelectorAll("*")].filter(
            (one) => one.getBoundingClientRect().right > most + 0.5 && !scrolls(one));
          return wide.filter((one) => !wide.includes(one.parentElement)).map(
            (one) => `${document.documentElement.scrollWidth} px: ${one.outerHTML.slice(0, 160)}`);
        }"""
    )
    return found


def cut_placeholders(page: Page) -> list[str]:
    """Return the placeholders that don't fit in their fields."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("[placeholder]")].filter((one) => {
          if (!one.checkVisibility()) return false;
          const style = getComputedStyle(one);
          const pen = document.createElement("canvas").getContext("2d");
          pen.font = style.font;
          const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
          return pen.measureText(one.placeholder).width > room;
        }).map((one) => `cut placeholder: ${one.placeholder}`)"""
    )
    return found


class AccessibilityCheck:
    """axe, loaded once per page."""

    def __init__(self) -> None:
        self._axe = Axe()

    def violations(self, page: Page) -> list[str]:
        """Return what axe finds on the current page, with the elements."""
        if not page.evaluate("'axe' in window"):
            # With the debugger, which the page's Content-Security-Policy doesn't restrict.
            page.evaluate(self._axe.axe_script)
        answer = page.evaluate(
            "axe.run({resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
        )
        return [
            f"axe: {one['id']} ({one['help']}): {node['target']} {node['html'][:200]}"
            + "".join(f" | {why['message']}" for why in node["any"][:1])
            for one in answer["violations"]
            for node in one["nodes"][:5]
        ]


def picture(page: Page, path: Path, *, whole: bool = True) -> None:
    """Save a screenshot of the page."""
    page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
