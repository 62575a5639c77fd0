"""The commands for API tokens."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin import service
from taskadmin.cli import taskadmin_cli
from taskadmin.models import ApiToken, AuditEntry
from taskadmin.service import Scope


def run(app: Flask, *arguments: str, fails: bool = False) -> str:
    """Run ``flask taskadmin tokens`` and return its output."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["tokens", *arguments])
    assert bool(done.exit_code) == fails, done.output
    return done.output


@pytest.mark.parametrize(
    ("options", "scopes", "days"),
    [
        ([], {Scope.READ}, 90),
        (["--scope", "manage", "--days", "366"], {Scope.READ, Scope.RUN, Scope.MANAGE}, 366),
    ],
)
def test_a_token_is_created(
    app: Flask,
    session: Session,
    make_user: MakeUser,
    options: list[str],
    scopes: set[Scope],
    days: int,
) -> None:
    """The secret is all that is printed, for scripts; the audit trail names the command line."""
    make_user("ada")

    secret = run(app, "create", "ada", "CI", *options).removesuffix("\n")

    with app.app_context():
        bearer = service.authenticate(secret)
        (token,) = service.find_tokens("ada")
        assert bearer is not None and bearer.scopes == scopes
    assert (token.name, (token.expires_at - token.created_at).days) == ("CI", days)
    assert session.scalars(select(AuditEntry.source)).all() == ["command line"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "nobody", "CI"], "There is no user nobody."),
        (["create", "ada", " "], "Enter a name of at most 100 characters."),
        (["create", "ada", "CI", "--days", "367"], "is not in the range 1<=x<=366"),
        (["create", "ada", "CI", "--scope", "all"], "is not one of 'read', 'run', 'manage'"),
        (["list", "nobody"], "There is no user nobody."),
        (["revoke", "ada"], "Give ids, or --all."),
        (["revoke", "ada", "7", "--all"], "Give ids, or --all."),
        (["revoke", "ada", "7", "99999999999"], "ada has no token 7, 99999999999."),
    ],
)
def test_what_is_refused(
    app: Flask, session: Session, make_user: MakeUser, arguments: list[str], message: str
) -> None:
    """With a sentence; nothing changes."""
    make_user("ada")

    assert message in run(app, *arguments, fails=True)

    assert session.scalars(select(AuditEntry)).all() == []


def test_tokens_are_listed_without_secrets(app: Flask, make_user: MakeUser) -> None:
    """As a table or JSON."""
    make_user("ada")
    secret = run(app, "create", "ada", "CI", "--scope", "run").strip()

    shown, (row,) = run(app, "list", "ADA"), json.loads(run(app, "list", "ada", "--json"))

    assert shown.splitlines()[0].split()[:4] == ["id", "name", "prefix", "scopes"]
    assert (row["name"], row["scopes"], row["last_used_at"]) == ("CI", "read run", None)
    assert row["prefix"] == secret[:14] and row["prefix"] in shown
    assert secret not in shown and row["expires_at"] in shown


def test_tokens_are_revoked(app: Flask, session: Session, make_user: MakeUser) -> None:
    """By id, or all of a user; another user's stay."""
    for user in (make_user("ada"), make_user("bob")):
        for _ in range(3 if user.username == "ada" else 1):
            run(app, "create", user.username, "CI")
    first, *_, bobs = session.scalars(select(ApiToken.id).order_by(ApiToken.id)).all()

    assert run(app, "revoke", "ada", str(first)) == "Revoked: 1.\n"
    assert f"ada has no token {bobs}." in run(app, "revoke", "ada", str(bobs), fails=True)
    assert run(app, "revoke", "ada", "--all") == "Revoked: 2.\n"

    assert session.scalars(select(ApiToken.id)).all() == [bobs]
