"""Host names of the site, and proxies in front of it."""

from __future__ import annotations

import pytest
from flask import Flask, redirect, request, url_for

from taskadmin_site.config import from_environment
from taskadmin_site.web import addresses


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("", ["localhost", "127.0.0.1", "[::1]", "web"]),
        ("tasks.example.org, .example.com", ["tasks.example.org", ".example.com", "127.0.0.1"]),
    ],
)
def test_names_that_the_site_answers_to(
    environment: dict[str, str], hosts: str, expected: list[str]
) -> None:
    """Without TRUSTED_HOSTS, they are this machine's; the health check's host is always allowed."""
    assert from_environment(environment | {"TRUSTED_HOSTS": hosts})["TRUSTED_HOSTS"] == expected


@pytest.mark.parametrize(
    ("proxies", "address", "host"),
    [(0, "10.0.0.1", "localhost"), (1, "192.0.2.7", "tasks.example.org")],
)
def test_only_configured_proxies_are_trusted(proxies: int, address: str, host: str) -> None:
    """Anyone can send the headers; the last proxy's entry is at the end."""
    app = Flask("site")
    app.config["PROXIES"] = proxies
    addresses.init_app(app)
    app.add_url_rule("/", view_func=lambda: {"from": request.remote_addr, "at": request.host})
    headers = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7", "X-Forwarded-Host": "tasks.example.org"}

    answer = app.test_client().get(
        "/", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.1"}
    )

    assert answer.get_json() == {"from": address, "at": host}


@pytest.mark.parametrize("prefix", ["//evil.example", "https://evil.example", "/evil", "x"])
def test_a_client_does_not_choose_a_prefix(prefix: str) -> None:
    """A proxy that doesn't set X-Forwarded-Prefix passes it on; it would lead to another site."""
    app = Flask("site")
    app.config["PROXIES"] = 1
    addresses.init_app(app)
    app.add_url_rule("/there", "there", view_func=lambda: redirect(url_for("there")))

    answer = app.test_client().get("/there", headers={"X-Forwarded-Prefix": prefix})

    assert answer.headers["Location"] == "/there"


@pytest.mark.parametrize(
    ("location", "sent"),
    [("http://localhost/there", "/there"), ("https://other.example/", "https://other.example/")],
)
def test_redirects_within_the_site_are_relative(location: str, sent: str) -> None:
    """A shared cache stores no host that a client chose."""
    app = Flask("site")
    addresses.init_app(app)
    app.add_url_rule("/", view_func=lambda: redirect(location))

    assert app.test_client().get("/").headers["Location"] == sent
