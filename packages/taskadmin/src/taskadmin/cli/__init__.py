"""The ``flask taskadmin`` commands: schema, first superuser, ping and doctor.

Commands for jobs, tasks and the audit trail have modules of their own.
"""

from __future__ import annotations

import os
import sys

import click
from flask import current_app
from sqlalchemy.exc import OperationalError, ProgrammingError

from .. import health, migrations, queue, service
from ..state import get_state
from ..store.database.rights import RolePurpose, grant_rights
from .audit import audit_cli
from .group import Group, command_line, require_accounts, taskadmin_cli
from .jobs import jobs_cli
from .output import say
from .tasks import tasks_cli
from .tokens import tokens_cli
from .uninstall import uninstall
from .users import users_cli

__all__ = ["taskadmin_cli"]

taskadmin_cli.add_command(jobs_cli)
taskadmin_cli.add_command(tasks_cli)
taskadmin_cli.add_command(audit_cli)
taskadmin_cli.add_command(users_cli)
taskadmin_cli.add_command(tokens_cli)
taskadmin_cli.add_command(uninstall)


@taskadmin_cli.group("db", cls=Group)
def db_cli() -> None:
    """Migrate taskadmin's tables."""


@db_cli.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade to REVISION, by default the latest."""
    migrations.upgrade(current_app, revision)
    _say_current()


@db_cli.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Downgrade to REVISION; "base" drops all of taskadmin's tables."""
    migrations.downgrade(current_app, revision)
    _say_current()


@db_cli.command("current")
def current() -> None:
    """Show the database's revision."""
    _say_current()


@db_cli.command("check")
def check() -> None:
    """Fail unless the schema matches this version of taskadmin."""
    migrations.check(current_app)
    say("The schema matches this version of taskadmin.")


@db_cli.command("grant")
@click.argument("role")
@click.option(
    "--for",
    "part",
    type=click.Choice([part.value for part in RolePurpose]),
    default=RolePurpose.PAGES.value,
    show_default=True,
    help='What connects as ROLE; "pages" includes launchers and the command line.',
)
def grant(role: str, part: str) -> None:
    """Grant ROLE of PostgreSQL the privileges on taskadmin's tables that it lacks.

    Run this as the tables' owner after each upgrade.
    """
    session = get_state(current_app).session
    granted = grant_rights(session, role, RolePurpose(part), version_table=migrations.VERSION_TABLE)
    session.commit()
    for one in granted:
        say(one.grant)
    say(f"{role} has every privilege for {part}.")


def _say_current() -> None:
    revision = migrations.current_revision(current_app)
    newest = migrations.newest_revision()
    if revision == newest:
        say(f"{revision} (latest)")
    else:
        say(f"{revision or 'no taskadmin tables'} (latest is {newest})")


@taskadmin_cli.command("create-superuser")
@click.argument("name")
@click.option(
    "--password-env",
    metavar="VARIABLE",
    help="Read the password from this environment variable instead of prompting for it.",
)
def create_superuser(name: str, password_env: str | None) -> None:
    """Create a superuser named NAME."""
    require_accounts()
    if password_env is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = os.environ.get(password_env, "")
        if not password:
            raise click.ClickException(f"The environment variable {password_env} is empty.")
    try:
        user = service.create_user(name, password=password, is_superuser=True, actor=command_line())
    except (OperationalError, ProgrammingError):
        migrations.check(current_app)  # if tables are missing, its error names the command
        raise
    say(f"Superuser {user.username} created.")


@taskadmin_cli.command("ping")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for an answer.")
def ping(timeout: float) -> None:
    """Send a message to a worker through the broker and time its answer."""
    celery = get_state().celery
    if celery is None:
        raise click.ClickException("This application has no task queue. Add TaskQueue().")
    answer = queue.measure_round_trip(celery, timeout_seconds=timeout)
    milliseconds = answer.elapsed.total_seconds() * 1000
    say(f"{answer.worker} answered after {milliseconds:.0f} ms")


@taskadmin_cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Find problems with the setup and say how to fix them.

    Exits with 1 if there is a problem, and with 0 if there are only warnings.
    """
    # The application itself: some checks run in threads, where the proxy doesn't work.
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    findings = list(health.examine(app))
    if as_json:
        say(health.as_json(findings))
    else:
        say(health.as_text(findings, encoding=sys.stdout.encoding))
    if any(finding.status == health.Status.PROBLEM for finding in findings):
        raise SystemExit(1)
