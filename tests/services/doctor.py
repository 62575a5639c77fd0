"""Run ``flask taskadmin doctor``."""

from __future__ import annotations

from flask import Flask

from taskadmin.health import Finding, examine


def examined(app: Flask) -> dict[str, Finding]:
    """Return its findings by check."""
    with app.app_context():
        return {finding.name: finding for finding in examine(app)}
