"""Response times of public pages for malicious texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from statistics import median
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from taskadmin.web.bodies import MAX_ACCOUNT_BYTES

#: Maximum bytes: of a form on these pages; of an address and a header with gunicorn.
FORM, ADDRESS, HEADER = MAX_ACCOUNT_BYTES, 4_000, 8_000
#: Maximum ratio to the time of a plain text. Quadratic algorithms take hundreds of times as long.
MOST = 20
HOSTILE = {
    "a long word": "x",
    "marks that NFKC sorts": "\u0301\u0327",
    "marks": "\u0301",
    "what NFKC makes eighteen letters of": "\ufdfa",
    "what case folding makes longer": "\u0130\u1e9e",
    "letters of several scripts": "a\u0430\u05d0\u0e01",
    "what looks like letters": "\U0001d5ba\u0131",
    "digits": "1",
    "NUL": "\0",
    "surrogates": "\U0001f600",
    "escapes of escapes": "%25",
    "the way up": "/..",
    "slashes": "//\\",
    "nesting": "[{(",
    "languages": "de-x;q=0.9,",
    "fields": "&a=b;",
    "dots": "a.",
}
numbers = count(1)

Ask = Callable[[FlaskClient, str], Any]


def form(path: str, name: str) -> Ask:
    """Submit a form with a text in one field, without waits for the address or name."""

    def ask(client: FlaskClient, text: str) -> None:
        number = next(numbers)
        fields = {"username": f"n{number}", "password": "a wrong guess", "confirm": "other"}
        text = cut(text, FORM - 100) + (str(number) if name == "username" else "")
        environ = {"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        answer = client.post(path, data={**fields, name: text}, environ_overrides=environ)
        assert answer.status_code == 422

    return ask


def address(path: str) -> Ask:
    """Request an address that ends with a text."""
    return lambda client, text: client.get(path + quote(cut(text, ADDRESS), safe="/"))


def header(name: str, before: str = "") -> Ask:
    """Send a header to the log in page."""

    def ask(client: FlaskClient, text: str) -> None:
        value = before + text.encode()[:HEADER].decode("latin-1")  # what WSGI makes of bytes
        client.get("/taskadmin/login", environ_overrides={f"HTTP_{name}": value})

    return ask


def cut(text: str, most: int) -> str:
    """Return the part of a text that is sent as *most* bytes; some letters take three bytes."""
    return text[: most * len(text) // len(quote(text, safe="/"))]


INPUTS = {
    "username of log in": form("/taskadmin/login", "username"),
    "password of log in": form("/taskadmin/login", "password"),
    "next of log in": address("/taskadmin/login?next="),
    "username of registration": form("/taskadmin/register", "username"),
    "confirmed password of registration": form("/taskadmin/register", "confirm"),
    "next of registration": address("/taskadmin/register?next="),
    "next of the code": address("/taskadmin/login/code?next="),
    "query of the start": address("/taskadmin/?x="),
    "query of a page": address("/taskadmin/tasks/?search="),
    "query of a health check": address("/taskadmin/healthz?x="),
    "unknown page": address("/taskadmin/"),
    "language": header("ACCEPT_LANGUAGE"),
    "cookies": header("COOKIE"),
    "known browser": header("COOKIE", "taskadmin_browser="),
    "session": header("COOKIE", "session="),
    "browser's name": header("USER_AGENT"),
}


def seconds(ask: Ask, client: FlaskClient, text: str) -> float:
    """Return the CPU time of a response, which other processes don't lengthen."""
    begun = time.thread_time()
    ask(client, text)
    return time.thread_time() - begun


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", INPUTS)
def test_no_text_takes_much_longer_than_another(client: FlaskClient, name: str) -> None:
    """So that it can't keep a process busy. The shortest of several times counts."""
    ask, log_in_page = INPUTS[name], header("ACCEPT")
    for one in (ask, log_in_page):
        one(client, "ana")  # compiles the page
    # Redirects take almost no time, so compare with a page.
    plain = median(seconds(one, client, "ana") for one in (ask, log_in_page, log_in_page) * 3)
    for kind, part in HOSTILE.items():
        text = part * (FORM // len(part))

        shortest = min(seconds(ask, client, text) for _ in range(3))

        assert shortest < MOST * plain, kind
