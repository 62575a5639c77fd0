"""Requests of the API that may be repeated, by the service."""

from __future__ import annotations

import pytest
from flask import Flask

from taskadmin import service
from taskadmin.models import User


@pytest.mark.databases("sqlite")
def test_a_key_belongs_to_its_user(context: Flask, ana: User) -> None:
    """Another user's is another one."""
    assert service.begin_request(ana.id, "k", "r") is None
    service.end_request(ana.id, "k", body="{}", headers="[]")
    earlier = service.begin_request(ana.id, "k", "r")
    assert earlier is not None and earlier.body == "{}"
    service.forget_request(ana.id, "k")
    assert service.begin_request(ana.id, "k", "r") is None
