"""The command group, and what its commands share."""

from __future__ import annotations

import getpass
import os

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import TaskAdminError
from ..state import get_state
from ..store.database.outage import ErrorKind, first_line, is_schema_missing, kind_of
from ..store.people.audit import Actor
from ..values.storable import escaped_text


class Group(AppGroup):
    """A command group that prints errors as a sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (TaskAdminError, ValueError) as error:
            raise click.ClickException(escaped_text(str(error))) from error
        except (DBAPIError, PoolTimeout) as error:
            refused = kind_of(error) is ErrorKind.REFUSED
            what = "The database refused this" if refused else "The database can't be used"
            fix = "\nRun flask taskadmin db upgrade." if is_schema_missing(error) else ""
            text = escaped_text(f"{what}: {first_line(error)}") + fix
            raise click.ClickException(text) from error
        except click.UsageError:
            raise  # click quotes what was typed
        except click.ClickException as error:
            # It repeats what was typed, which may have been copied from a hostile text.
            raise click.ClickException(escaped_text(error.format_message())) from error


class _Root(Group):
    """The commands of this application; with ``--url``, those that another site has by its API."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        remote = self._remote(ctx)
        return remote.resolve_command(ctx, args) if remote else super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        remote = self._remote(ctx)
        lists = super().format_commands if remote is None else remote.format_commands
        lists(ctx, formatter)

    def _remote(self, ctx: click.Context) -> Group | None:
        if ctx.params.get("url") is None:
            return None
        from .remote import remote_cli

        return remote_cli


taskadmin_cli = _Root(
    "taskadmin",
    help="Database-scheduled background jobs.",
    params=[
        click.Option(
            ["--url"],
            is_eager=True,  # before --help, which lists the commands
            help="Address of another site's taskadmin: tasks, runs and jobs there, by its API and the"
            " token in TASKADMIN_TOKEN.",
        )
    ],
)


def require_accounts() -> None:
    """Refuse commands for passwords and sessions if the host logs users in.

    Raises:
        click.ClickException: Then, with the way to get the same.
    """
    if get_state().has_identity:
        raise click.ClickException(
            "This application logs its users in itself, and passes identity to taskadmin, which"
            " therefore has no passwords, second factors and sessions. Your identity function"
            " decides who is a superuser: return Identity(username, is_superuser=True)."
        )


def command_line() -> Actor:
    """Return the actor for the audit trail: the user of this process."""
    return Actor(None, _login_name(), "command line")


def _login_name() -> str:
    """Return the name of the process's user; in a container, it may have only an id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
