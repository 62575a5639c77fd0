"""Who may use which operation: each one, by each kind of caller."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from fixture_types import MakeUser, SignIn
from services.api.caller import PREFIX, Caller, problem_of
from taskadmin import service
from taskadmin.api.access import Right, Rule
from taskadmin.api.operations import RULES
from taskadmin.models import User
from taskadmin.service import Scope

pytestmark = pytest.mark.databases("sqlite")
MakeCaller = Callable[[User, Scope], Caller]
SCOPES = list(Scope)


def operations(app: Flask) -> list[tuple[str, str, Rule]]:
    """Return method, path and rule of each operation; ids are 7, names are "x"."""
    found = []
    for rule in app.url_map.iter_rules():
        name = rule.endpoint.removeprefix("taskadmin_api.")
        if rule.endpoint.startswith("taskadmin_api.") and name in RULES:
            path = rule.rule.removeprefix(PREFIX)
            for argument in rule.arguments:
                path = path.replace(f"<int:{argument}>", "7").replace(f"<{argument}>", "x")
            (method,) = set(rule.methods or ()) - {"HEAD", "OPTIONS"}
            found.append((method, path, RULES[name]))
    return found


def test_every_operation_has_a_rule(app: Flask) -> None:
    """What changes something needs more than the scope read."""
    found = operations(app)
    assert len(found) == len(RULES) > 30
    for method, path, rule in found:
        assert (rule.scope == Scope.READ) == (method == "GET"), path


@pytest.mark.parametrize("roles", [{}, {"can_review_tasks": True}, {"is_superuser": True}])
def test_roles_and_scopes_decide(
    app: Flask, make_user: MakeUser, make_caller: MakeCaller, roles: dict[str, bool]
) -> None:
    """The scope limits a token, the roles its user: neither alone is enough."""
    user = make_user("sue", **roles)  # type: ignore[arg-type]
    may = {Right.NONE: True, Right.REVIEW: user.may_review, Right.MANAGE: user.may_manage}
    for scope in SCOPES:
        caller = make_caller(user, scope)
        for method, path, rule in operations(app):
            allowed = may[rule.right] and SCOPES.index(scope) >= SCOPES.index(rule.scope)
            response = caller(method, path)
            assert (response.status_code != 403) is allowed, (scope, method, path, response.text)
            if not allowed:
                status, kind, _ = problem_of(response)
                assert status == 403
                lacks_scope = 'error="insufficient_scope"' in response.headers.get(
                    "WWW-Authenticate", ""
                )
                assert lacks_scope is (kind == "insufficient-scope") is may[rule.right]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer taskadmin_wrong", "Basic YTpi", "Bearer \x00", "taskadmin_x"],
)
def test_nobody_may_do_anything(app: Flask, header: str) -> None:
    """Without a valid token, the answer is the same everywhere."""
    caller = Caller(app.test_client(), None)
    for method, path, _ in operations(app):
        response = caller(method, path, headers={"Authorization": header} if header else {})
        assert problem_of(response)[0] == 401, path
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="taskadmin"')
        assert "Set-Cookie" not in response.headers


def test_a_session_isnt_accepted(app: Flask, sign_in: SignIn, chief: User) -> None:
    """Other sites' pages could send it."""
    browser = sign_in(chief)
    assert browser.get("/taskadmin/tasks/").status_code == 200
    assert browser.get(f"{PREFIX}/tasks").status_code == 401
    assert browser.post(f"{PREFIX}/tasks", json={}).status_code == 401


def test_a_deactivated_users_token_is_refused(
    app: Flask, make_user: MakeUser, make_caller: MakeCaller
) -> None:
    """At once."""
    make_user("other", is_superuser=True)
    user = make_user("sue", is_superuser=True)
    caller = make_caller(user, Scope.MANAGE)
    assert caller("GET", "/tasks").status_code == 200
    with app.app_context():
        service.edit_user(user.id, is_active=False)
    assert caller("GET", "/tasks").status_code == 401
