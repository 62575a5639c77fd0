"""The document's page."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from services.api.caller import PREFIX

pytestmark = pytest.mark.databases("sqlite")


def test_the_page_loads_its_files_from_this_site(client: FlaskClient) -> None:
    """No CDN, and nothing inline that a strict policy would refuse."""
    page = client.get(f"{PREFIX}/docs")

    assert page.status_code == 200
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 6
    for file in files:
        assert file.startswith("/taskadmin/")
        with client.get(file) as response:
            assert response.status_code == 200, file
    assert re.search(rf'<noscript>.+ href="{PREFIX}/openapi.json".+</noscript>', page.text)
    assert not re.search(r"<style|<script>|style=|onload=", page.text)


def test_only_the_pages_files_are_served(client: FlaskClient) -> None:
    """Not the package's others."""
    for name in ("index.html", "..%2f__init__.py", "swagger-ui.js"):
        assert client.get(f"{PREFIX}/docs/{name}").status_code == 404
