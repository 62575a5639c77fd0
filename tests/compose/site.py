"""An HTTP client that reads, fills in and submits the pages' forms."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import requests


class Site:
    """A browser without a screen."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def get(self, path: str) -> str:
        """Return the page at *path*.

        Raises:
            AssertionError: If the response isn't a page.
        """
        answer = self.session.get(self.address + path, timeout=10)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.text

    def submit(self, path: str, *, press: tuple[str, str] | None = None, **fields: str) -> str:
        """Submit the form at *path* with *fields*, keeping its other values and its token.

        Args:
            press: Name and value of the button, where the form has several.
        """
        form = _Form(self.get(path), wanted=set(fields), button=press)
        answer = self.session.post(
            self.address + (form.action or path),
            data=form.values | fields | (dict([press]) if press else {}),
            headers={"Referer": self.address + path},
            timeout=10,
        )
        assert answer.status_code == 200, f"POST {path}: {answer.status_code} {answer.text[:300]}"
        return answer.text

    def log_in(self, name: str, password: str) -> None:
        """Log in; later requests are this user's."""
        self.submit("/taskadmin/login", username=name, password=password)

    def create_task(self, name: str, lower_limit: float, upper_limit: float) -> None:
        """Create a task with the form."""
        page = self.submit(
            "/taskadmin/tasks/new/?job=generate_random_number",
            name=name,
            lower_limit=str(lower_limit),
            upper_limit=str(upper_limit),
        )
        assert 'class="error"' not in page, text_of(page)

    def run_now(self, task_id: int) -> None:
        """Press "Run now" on the task's page."""
        page = self.submit(f"/taskadmin/tasks/details/?id={task_id}", press=("action", "run_now"))
        assert "1 run queued and sent to the workers." in text_of(page)

    def succeeded_runs(self, task_id: int) -> int:
        """Return the number of succeeded runs of the task on the page of runs."""
        page = self.get(f"/taskadmin/runs/?task={task_id}&state=succeeded")
        return len(re.findall(r"/taskadmin/runs/details/\?id=\d+", page))


class _Form(HTMLParser):
    """The first form of a page that has the wanted fields and button, with its current values."""

    def __init__(self, page: str, *, wanted: set[str], button: tuple[str, str] | None) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self._wanted = wanted
        self._button = button
        self._buttons: set[tuple[str, str]] = set()
        self._found = False
        self._select = ""
        self.feed(page)
        assert self._found, f"no form with {wanted} and {button} in {text_of(page)[:500]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._found:
            return
        if tag == "form":
            self.action, self.values, self._buttons = given.get("action", ""), {}, set()
        elif tag == "button":
            self._buttons.add((given.get("name", ""), given.get("value", "")))
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option":
            # Without a selected option, a browser sends the first one.
            if self._select and (self._select not in self.values or "selected" in given):
                self.values[self._select] = given.get("value", "")
        elif tag in {"input", "textarea"} and "name" in given:
            kind = given.get("type", "text")
            if kind in {"submit", "button"}:
                return
            if kind in {"checkbox", "radio"} and "checked" not in given:
                return
            self.values[given["name"]] = given.get("value", "on" if kind == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        has_button = self._button is None or self._button in self._buttons
        if tag == "form" and has_button and self._wanted <= set(self.values):
            self._found = True


def text_of(page: str) -> str:
    """Return the text of a page, without tags."""
    without = re.sub(r"(?s)<(script|style|head).*?</\1>|<[^>]*>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(without)).strip()
