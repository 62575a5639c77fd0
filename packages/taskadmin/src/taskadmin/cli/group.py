"""The command's group, and what its commands share."""

from __future__ import annotations

import getpass
import os

import click
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from ..errors import TaskAdminError
from ..store.audit import Actor


class Group(AppGroup):
    """A group whose commands end with the error's sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (TaskAdminError, ValueError) as error:
            raise click.ClickException(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            raise click.ClickException(f"The database can't be used: {error.orig}") from error


taskadmin_cli = Group("taskadmin", help="Database-scheduled background jobs.")


def command_line() -> Actor:
    """Who the audit trail says did what this command does."""
    return Actor(None, _login_name(), "command line")


def _login_name() -> str:
    """Whoever this process belongs to; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
