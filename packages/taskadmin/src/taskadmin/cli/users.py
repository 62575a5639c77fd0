"""``flask taskadmin users``."""

from __future__ import annotations

import click

from .. import service
from ..service.people import existing_user
from .group import Group, command_line, require_accounts
from .output import say


@click.group("users", cls=Group)
def users_cli() -> None:
    """Help users of taskadmin's own accounts."""


@users_cli.command("log-out")
@click.argument("name")
def log_out(name: str) -> None:
    """End all sessions of the user NAME."""
    require_accounts()
    user = existing_user(name)
    service.end_sessions(user.id, actor=command_line())
    say(f"{user.username} is logged out everywhere.")


@users_cli.command("remove-second-factor")
@click.argument("name")
def remove_second_factor(name: str) -> None:
    """Let the user NAME log in with the password alone, after the loss of a device."""
    require_accounts()
    user = existing_user(name)
    if not service.remove_second_factor(user.id, actor=command_line()):
        raise click.ClickException(f"{user.username} has no second factor.")
    say(f"The second factor of {user.username} is removed.")


@users_cli.command("unblock")
@click.argument("name")
def unblock(name: str) -> None:
    """Let the user NAME, or an address, try to log in again at once after failed attempts."""
    require_accounts()
    if not service.unblock(name, actor=command_line()):
        raise click.ClickException(f"There are no failed attempts of {name}.")
    say(f"{name} can try again now.")
