"""``flask taskadmin …``: the schema, the first superuser, a round trip through a worker, doctor.

Jobs, tasks and the audit trail have modules of their own.
"""

from __future__ import annotations

import os
import sys

import click
from flask import current_app
from sqlalchemy.exc import OperationalError, ProgrammingError

from .. import health, migrations, queue
from ..accounts.passwords import check_new_password, hash_password
from ..state import get_state
from ..store import users
from .audit import audit_cli
from .group import Group, command_line, taskadmin_cli
from .jobs import jobs_cli
from .tasks import tasks_cli

__all__ = ["taskadmin_cli"]

taskadmin_cli.add_command(jobs_cli)
taskadmin_cli.add_command(tasks_cli)
taskadmin_cli.add_command(audit_cli)


@taskadmin_cli.group("db", cls=Group)
def db_cli() -> None:
    """Bring taskadmin's tables to a revision."""


@db_cli.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade to REVISION, the newest by default."""
    migrations.upgrade(current_app, revision)
    _say_current()


@db_cli.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Downgrade to REVISION; "base" removes taskadmin's tables with all that is in them."""
    migrations.downgrade(current_app, revision)
    _say_current()


@db_cli.command("current")
def current() -> None:
    """Show the revision the database is at."""
    _say_current()


@db_cli.command("check")
def check() -> None:
    """Fail if the schema isn't what this version of taskadmin needs."""
    migrations.check(current_app)
    click.echo("The schema is what this version of taskadmin needs.")


def _say_current() -> None:
    revision = migrations.current_revision(current_app)
    newest = migrations.newest_revision()
    if revision == newest:
        click.echo(f"{revision} (newest)")
    else:
        click.echo(f"{revision or 'no taskadmin tables'} (newest is {newest})")


@taskadmin_cli.command("create-superuser")
@click.argument("name")
@click.option(
    "--password-env",
    metavar="VARIABLE",
    help="Read the password from this environment variable instead of asking for it.",
)
def create_superuser(name: str, password_env: str | None) -> None:
    """Create a superuser called NAME."""
    if password_env is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = os.environ.get(password_env, "")
        if not password:
            raise click.ClickException(f"The environment variable {password_env} is empty.")
    check_new_password(password)
    try:
        user = users.create_user(
            get_state().session,
            name,
            password_hash=hash_password(password),
            is_superuser=True,
            actor=command_line(),
        )
    except (OperationalError, ProgrammingError):
        migrations.check(current_app)  # without the tables, its error names the command
        raise
    click.echo(f"Superuser {user.username} created.")


@taskadmin_cli.command("ping")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for an answer.")
def ping(timeout: float) -> None:
    """Send a message through the broker to a worker and time its answer."""
    celery = get_state().celery
    if celery is None:
        raise click.ClickException("This application has no task queue: add TaskQueue.")
    answer = queue.measure_round_trip(celery, timeout_seconds=timeout)
    milliseconds = answer.elapsed.total_seconds() * 1000
    click.echo(f"{answer.worker} answered after {milliseconds:.0f} ms")


@taskadmin_cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print an object for programs.")
def doctor(as_json: bool) -> None:
    """Look for what keeps taskadmin from working, and say what to do.

    Ends with 1 if there is a problem; warnings end with 0.
    """
    # The application itself: some checks run in threads, where the proxy means nothing.
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    findings = list(health.examine(app))
    if as_json:
        click.echo(health.as_json(findings))
    else:
        click.echo(health.as_text(findings, encoding=sys.stdout.encoding))
    if any(finding.status == health.Status.PROBLEM for finding in findings):
        raise SystemExit(1)
