"""Markup of all pages."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from taskadmin.models import TaskResult


class Markup(HTMLParser):
    """The parts that a content security policy and screen readers care about."""

    def __init__(self) -> None:
        super().__init__()
        self.headings = 0
        self.lang: str | None = None
        self.inline: list[str] = []
        self.unlabelled: list[str] = []
        self._labels: set[str] = set()
        self._inputs: list[dict[str, str | None]] = []
        self._inside_label = 0
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.headings += tag == "h1"
        if tag == "html":
            self.lang = given.get("lang")
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on")]
        self.inline += [f"{tag} style"] if "style" in given or tag == "style" else []
        self._script = tag == "script"
        if tag == "label":
            self._inside_label += 1
            self._labels.add(given.get("for") or "")
        if tag in ("input", "select", "textarea"):
            hidden = given.get("type") in ("hidden", "submit") or "hidden" in given
            if not hidden and "aria-label" not in given and not self._inside_label:
                self._inputs.append(given)

    def handle_endtag(self, tag: str) -> None:
        self._script = False
        self._inside_label -= tag == "label"

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)

    def close(self) -> None:
        super().close()
        self.unlabelled = [
            str(given) for given in self._inputs if (given.get("id") or "") not in self._labels
        ]


def check(page: str) -> None:
    """Check that the page works under a strict policy, and labels all inputs."""
    markup = Markup()
    markup.feed(page)
    markup.close()
    assert markup.inline == []
    assert markup.headings == 1
    assert markup.lang == "en"
    assert markup.unlabelled == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "path",
    [
        *("tasks/", "tasks/new/", "tasks/details/?id=1", "tasks/edit/?id=1", "runs/", "users/"),
        *("users/edit/?id=2", "users/?show=none", "review/tasks/?user=1", "preferences", "audit/"),
        *("runs/details/?id=1", "users/edit/?id=1", "review/", "profile", "tasks/details/?id=99"),
        *("runs/again/?id=1", "tasks/run/?id=1", "tasks/?state=paused"),
    ],
)
def test_pages_have_no_inline_code_and_one_heading(
    superuser: FlaskClient, runs: list[TaskResult], path: str
) -> None:
    """All pages, in English by default."""
    check(superuser.get(f"/taskadmin/{path}").text)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("login", None),
        ("register", None),
        ("login", {"username": "x", "password": "<b>"}),
        ("register", {"username": "a b", "password": "x", "confirm": "y"}),
        ("logout", {"csrf_token": "stale"}),
    ],
)
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_account_pages_have_no_inline_code_and_one_heading(
    client: FlaskClient, path: str, data: dict[str, str] | None
) -> None:
    """Also with messages and errors."""
    method = "GET" if data is None else "POST"
    check(client.open(f"/taskadmin/{path}", method=method, data=data).text)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("tasks/new/", {"name": "x" * 201, "lower_limit": "a", "upper_limit": ""}),
        ("tasks/edit/?id=1", {"lower_limit": "1", "upper_limit": "2", "version": "9"}),
        ("tasks/action/", {"action": "delete", "rowid": "1"}),
        ("tasks/action/", {"action": "delete", "rowid": "99"}),
        ("tasks/action/", {"action": "pause", "rowid": "1"}),
        ("tasks/action/", {"action": "clone", "all": "yes"}),
        ("tasks/run/?id=1", {"lower_limit": "2", "upper_limit": "1"}),
        ("runs/again/?id=1", {"lower_limit": "", "upper_limit": "1"}),
        ("runs/action/", {"action": "cancel", "all": "yes"}),
        ("runs/action/", {"action": "retry", "all": "yes"}),
        ("runs/action/", {"action": "terminate", "rowid": "1"}),
        ("users/edit/?id=1", {"x": "1"}),
        ("users/password/?id=2", {"password": "short"}),
        ("users/password/?id=2", {"password": ""}),
        ("preferences", {"language": "x", "zone": "x"}),
        ("profile", {"current": "x"}),
    ],
)
def test_answers_to_forms_have_no_inline_code_and_one_heading(
    superuser: FlaskClient, runs: list[TaskResult], path: str, data: dict[str, str]
) -> None:
    """Messages at fields, and confirmations of deletions."""
    check(superuser.post(f"/taskadmin/{path}", data=data).text)
