"""The ``flask taskadmin tokens`` commands."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from .. import service
from ..service import Scope
from ..service.people import existing_user
from ..service.tokens import DEFAULT_LIFE, MAX_LIFE
from .group import Group, command_line
from .output import as_json, say, table


@click.group("tokens", cls=Group)
def tokens_cli() -> None:
    """Create, list and revoke users' API tokens."""


@tokens_cli.command("create")
@click.argument("user")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.READ.value,
    show_default=True,
    help='What it may be used for; "run" includes "read", and "manage" both.',
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_LIFE.days),
    default=DEFAULT_LIFE.days,
    show_default=True,
    help="Days until it expires.",
)
def create(user: str, name: str, scope: str, days: int) -> None:
    """Create a token called NAME for USER, and print it, alone on a line: it isn't shown again."""
    created = service.create_token(
        user,
        name=name,
        scopes=[Scope(scope)],
        lasts=timedelta(days=days),
        actor=command_line(),
    )
    say(created.secret)


@tokens_cli.command("list")
@click.argument("user")
@click.option("--json", "for_programs", is_flag=True, help="Print JSON.")
def list_tokens(user: str, for_programs: bool) -> None:
    """List the tokens of USER, without their secrets."""
    rows = [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in one._asdict().items()
        }
        for one in service.find_tokens(existing_user(user).id)
    ]
    if for_programs:
        as_json(rows)
        return
    columns = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
    heads = (*columns[:4], "created", "expires", "last used")
    table(heads, [[row[name] for name in columns] for row in rows])


@tokens_cli.command("revoke")
@click.argument("user")
@click.argument("ids", metavar="ID…", type=int, nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Revoke all tokens of USER.")
def revoke(user: str, ids: tuple[int, ...], is_all: bool) -> None:
    """Revoke tokens of USER by their ids."""
    whose = existing_user(user)
    if bool(ids) == is_all:
        raise click.UsageError("Give ids, or --all.")
    wanted = [one.id for one in service.find_tokens(whose.id)] if is_all else ids
    revoked = [one for one in wanted if service.revoke_token(whose.id, one, actor=command_line())]
    if len(revoked) < len(wanted):
        gone = ", ".join(str(one) for one in wanted if one not in revoked)
        raise click.ClickException(f"{whose.username} has no token {gone}.")
    say(f"Revoked: {len(revoked)}.")
