"""What is looked for on every page, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

WIDTHS = {"wide": 1280, "phone": 375}
#: Windows in which nothing has to be scrolled sideways either; of the last there are pictures.
OTHER_WIDTHS = (320, 600, 900, 1024, 768)
THEMES = ("light", "dark")
HEIGHT = 800
#: Milliseconds that anything may take: CI's machine does much beside.
PATIENCE = 15_000
#: Without sandbox: CI is root. The others keep it from asking its maker for things.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
#: Says what the Content-Security-Policy kept from happening, whatever else becomes of it.
COUNT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
  `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`
));
"""
#: Live parts aren't exchanged in the middle of a look at them.
NO_POLLING = """
const setTimeoutOfTheBrowser = window.setTimeout;
window.setTimeout = (function_, delay, ...rest) =>
  delay >= 1000 ? 0 : setTimeoutOfTheBrowser(function_, delay, ...rest);
"""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium; tests are skipped without it, and fail in CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        message = "There is no Chromium here: install it (Debian: apt-get install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield browser
        browser.close()


class Visitor:
    """One person at the site: a browser with cookies of its own, and what went wrong in it."""

    def __init__(self, browser: Browser, address: str, *, javascript: bool = True) -> None:
        self.address = address
        #: Errors of scripts, requests to other hosts, refusals by the policy.
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": WIDTHS["wide"], "height": HEIGHT},
            java_script_enabled=javascript,
            locale="en-US",
            timezone_id="Europe/Berlin",
            # Nothing is measured or pictured while it moves.
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE)
        self._javascript = javascript
        if javascript:
            self.context.add_init_script(COUNT_VIOLATIONS)
        self.page = self.context.new_page()
        self._watch(self.page)

    def open(self, path: str) -> int:
        """Go to a path of the site and return the answer's status."""
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
        """Give the window another width and the page another theme, without a reload."""
        self.page.set_viewport_size({"width": WIDTHS[width], "height": HEIGHT})
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")

    def is_told(self, text: str) -> None:
        """Wait until the page says this about what was just done, and nothing else."""
        expect(self.page.locator(".messages .message")).to_have_text([text])

    def take_problems(self) -> list[str]:
        """What went wrong since the last time."""
        if self._javascript:
            self.problems += [f"CSP: {one}" for one in self.page.evaluate("window.violations")]
            self.page.evaluate("window.violations = []")
        problems, self.problems[:] = [*self.problems], []
        return problems

    def close(self) -> None:
        self.context.close()

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on(
            "console",
            lambda message: (
                self.problems.append(f"console: {message.text}")
                if message.type in ("error", "warning")
                # Chromium says so of every answer that isn't 2xx: refusals, forms with errors.
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
    """The elements that make the page scroll sideways, the outermost ones."""
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


class AccessibilityCheck:
    """axe, given to each page once."""

    def __init__(self) -> None:
        self._axe = Axe()

    def violations(self, page: Page) -> list[str]:
        """What axe finds on the page as it is shown now, each with the elements."""
        if not page.evaluate("'axe' in window"):
            # By the debugger, to which the page's Content-Security-Policy doesn't apply.
            page.evaluate(self._axe.axe_script)
        answer = page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"axe: {one['id']} ({one['help']}): {node['target']} {node['html'][:200]}"
            + "".join(f" | {why['message']}" for why in node["any"][:1])
            for one in answer["violations"]
            for node in one["nodes"][:5]
        ]


def picture(page: Page, path: Path, *, whole: bool = True) -> None:
    """Keep a picture of the page."""
    page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
