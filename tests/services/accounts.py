"""Log in as a browser, with and without an authenticator app."""

from __future__ import annotations

import re
import time

from flask import Flask
from flask.testing import FlaskClient
from pyotp import TOTP
from werkzeug.test import TestResponse

SETUP, LOGIN, CODE = "/taskadmin/second-factor", "/taskadmin/login", "/taskadmin/login/code"
#: The test key of RFC 6238 (appendix B).
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
WRONG_CODE = "This code is wrong or has already been used."


def log_in(
    client: FlaskClient,
    username: str,
    password: str,
    query: str = "",
    *,
    address: str = "127.0.0.1",
) -> TestResponse:
    """Submit the log in form from a network address."""
    data = {"username": username, "password": password}
    return client.post(f"{LOGIN}{query}", data=data, environ_overrides={"REMOTE_ADDR": address})


def guess(app: Flask, username: str = "Ana", *, times: int = 6) -> list[int]:
    """Return the statuses of guesses from different addresses."""
    return [
        log_in(app.test_client(), username, f"guess {n}", address=f"198.51.100.{n}").status_code
        for n in range(times)
    ]


def is_signed_in(client: FlaskClient) -> bool:
    """Return whether the profile opens."""
    return client.get("/taskadmin/profile").status_code == 200


def code_of(secret: str = SECRET) -> str:
    """Return the app's current code."""
    return TOTP(secret).at(int(time.time()))


def shown_secret(page: str) -> str:
    """Return the key on the setup page."""
    (found,) = re.findall(r'<p class="secret mono">(.*?)</p>', page)
    return str(found).replace(" ", "")
