"""Caching by browsers and proxies."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

pytestmark = pytest.mark.databases("sqlite")


def pages(app: Flask) -> list[str]:
    """Return the addresses of all pages without parameters."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("taskadmin")
        and not rule.arguments
        and "GET" in (rule.methods or ())
    )


def test_no_page_is_kept(app: Flask, superuser: FlaskClient) -> None:
    """Lists, forms, exports and errors aren't cached, for logged-in and anonymous users."""
    exports = [
        f"/taskadmin/{name}/export/{kind}/"
        for name in ("tasks", "runs", "audit")
        for kind in ("csv", "json")
    ]
    paths = [*pages(app), *exports, "/taskadmin/nowhere", "/taskadmin/runs/?page=x"]

    kept = [
        path
        for client in (superuser, app.test_client())
        for path in paths
        if client.get(path).headers.get("Cache-Control") != "no-store"
    ]

    assert len(paths) > 30
    assert kept == []
