"""Hosts with the API, and callers of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from fixture_types import MakeApp
from services.api.caller import Caller
from taskadmin import service
from taskadmin.api import Api
from taskadmin.models import User
from taskadmin.service import Scope

MakeCaller = Callable[[User, Scope], Caller]


@pytest.fixture
def app(make_app: MakeApp, request: pytest.FixtureRequest) -> Flask:
    """A host with all of taskadmin and the API."""
    config: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("settings"))):
        config |= marker.kwargs
    app = make_app(**config)
    Api().init_app(app)
    return app


@pytest.fixture
def make_caller(app: Flask) -> MakeCaller:
    """Make a token for a user, and return a program that sends it."""

    def make(user: User, scope: Scope = Scope.MANAGE) -> Caller:
        with app.app_context():
            secret = service.create_token(user.id, name="test", scopes=[scope]).secret
        return Caller(app.test_client(), secret)

    return make


@pytest.fixture
def boss(make_caller: MakeCaller, chief: User) -> Caller:
    """A program of a superuser that may do everything."""
    return make_caller(chief, Scope.MANAGE)
