"""taskadmin in a schema of its own, beside a host's table with the name of one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import URL, Engine, create_engine, inspect, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fixture_types import MakeApp, MakeTask
from services.doctor import examined
from services.hosts import host_app
from services.ledger.calls import CALLS
from services.ledger.world import World
from services.pages import form_values
from services.rows import many_rows
from services.servers.databases import bare_app
from taskadmin import TaskAdmin, migrations, service
from taskadmin.cli import taskadmin_cli
from taskadmin.errors import ConfigurationError, MigrationError
from taskadmin.health import Status
from taskadmin.migrations import VERSION_TABLE
from taskadmin.models import Base, Task, TaskResult, User
from taskadmin.state import get_state
from taskadmin.store.database.rights import RolePurpose, lacking_rights
from unit.admin.all_pages.requests.test_query_counts import PAGES

#: It needs quoting, also in SQLAlchemy's text().
SCHEMA = 'Jobs ":of% shop'
QUOTED = '"Jobs "":of% shop"'
OURS = {*Base.metadata.tables, VERSION_TABLE}

pytestmark = [
    pytest.mark.databases("postgresql"),
    pytest.mark.settings(TASKADMIN_SCHEMA=SCHEMA),
]


def run(engine: Engine, *statements: str) -> None:
    """Execute statements without parameters."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def tables(engine: Engine, schema: str) -> set[str]:
    return {*inspect(engine).get_table_names(schema=schema)}


@pytest.fixture
def host(empty_database_url: URL) -> Iterator[Engine]:
    """The host's engine; its table has the name of ours, and must stay as it is."""
    engine = create_engine(empty_database_url)
    run(
        engine,
        f"CREATE SCHEMA {QUOTED}",
        "CREATE TABLE taskadmin_task (id integer, note text)",
        "INSERT INTO taskadmin_task VALUES (1, 'the host''s')",
    )
    yield engine
    assert tables(engine, "public") == {"taskadmin_task"}
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT * FROM public.taskadmin_task").one()
    assert row == (1, "the host's")
    engine.dispose()


@pytest.fixture
def database_url(host: Engine) -> URL:
    """The host's database, with the newest revision in the schema."""
    with bare_app(host.url, TASKADMIN_SCHEMA=SCHEMA) as app:
        migrations.upgrade(app)
    return host.url


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An engine as taskadmin makes it, separate from the application's."""
    engine = create_engine(database_url)
    yield engine.execution_options(schema_translate_map={None: SCHEMA})
    engine.dispose()


def test_migrations_stay_in_the_schema(host: Engine) -> None:
    """Up, down, up and check; the models' tables are there, and the version table."""
    with bare_app(host.url, TASKADMIN_SCHEMA=SCHEMA) as app:
        assert migrations.current_revision(app) is None
        migrations.upgrade(app)
        migrations.downgrade(app, "0001")
        assert tables(host, SCHEMA) == {"taskadmin_user", "taskadmin_task", VERSION_TABLE}
        migrations.upgrade(app)
        migrations.check(app)
        assert tables(host, SCHEMA) == OURS
        assert migrations.current_revision(app) == migrations.newest_revision()
        assert {table.name for table in migrations.existing_tables(app)} == OURS


def test_existing_tables_are_moved_by_sql(empty_database_url: URL) -> None:
    """As the README says; indexes and sequences move with them."""
    engine = create_engine(empty_database_url)
    run(engine, f"CREATE SCHEMA {QUOTED}")
    with bare_app(empty_database_url) as app:
        migrations.upgrade(app)
        names = [table.name for table in migrations.existing_tables(app)]

    run(engine, *(f"ALTER TABLE {name} SET SCHEMA {QUOTED}" for name in names))

    with bare_app(empty_database_url, TASKADMIN_SCHEMA=SCHEMA) as app:
        migrations.check(app)
    assert tables(engine, "public") == set()
    engine.dispose()


def test_uninstalling_leaves_the_schema(app: Flask, host: Engine) -> None:
    """The schema may contain tables of the host; one that refers to ours is named."""
    run(host, f"CREATE TABLE {QUOTED}.report (id integer)", "CREATE SCHEMA other")
    run(host, f"CREATE TABLE other.copy (task_id integer REFERENCES {QUOTED}.taskadmin_task (id))")
    runner = app.test_cli_runner()

    refused = runner.invoke(taskadmin_cli, ["uninstall", "--yes"])

    assert "Your table copy has a foreign key to taskadmin_task: drop it" in refused.output
    run(host, "DROP SCHEMA other CASCADE")
    done = runner.invoke(taskadmin_cli, ["uninstall", "--yes"])
    assert done.exit_code == 0, done.output
    assert f", schema {SCHEMA}:\n" in done.output
    assert tables(host, SCHEMA) == {"report"}


def test_all_of_the_ledger(session: Session) -> None:
    """Launch, claim, finish, retry, take back, count and prune, as with the default schema."""
    world = World(session)

    for call in CALLS.values():
        call(session, world)
        session.rollback()


def test_every_page(superuser: FlaskClient, session: Session) -> None:
    """Each page, with a site's rows, and each export."""
    site = many_rows.fill(session, 20)
    exports = [f"{what}/export/csv/" for what in ("tasks", "runs", "audit")]

    for path in (*PAGES, *exports, "healthz"):
        answer = superuser.get(f"/taskadmin/{path.format(**site._asdict())}")
        assert answer.status_code == 200, path
        assert answer.get_data()


def sent(browser: FlaskClient, path: str, **values: Any) -> TestResponse:
    """Submit the form of a page, with *values* over what it shows."""
    page = browser.get(path).get_data(as_text=True)
    return browser.post(path, data={**form_values(page), **values})


def test_forms_save(superuser: FlaskClient, session: Session) -> None:
    """A task is created and changed."""
    limits = {"lower_limit": "1", "upper_limit": "2"}

    assert sent(superuser, "/taskadmin/tasks/new/", name="Dice", **limits).status_code == 302
    task = session.scalars(select(Task)).one()
    assert sent(superuser, f"/taskadmin/tasks/edit/?id={task.id}", name="Die").status_code == 302

    session.expire_all()
    assert session.get_one(Task, task.id).name == "Die"


def test_service_and_hosts_queries_in_one_request(app: Flask, session: Session) -> None:
    """The host's model of the same name sees the host's table; taskadmin's session, ours."""
    db = app.extensions["sqlalchemy"]

    class HostTask(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "taskadmin_task"
        id = db.Column(db.Integer, primary_key=True)
        note = db.Column(db.Text)

    with app.app_context():
        service.create_user("ana", password="a long enough password", is_superuser=True)
        created = service.create_task(
            job="generate_random_number",
            arguments={"lower_limit": 1, "upper_limit": 6},
            author="ana",
            name="Dice",
        )
        assert db.session.scalars(select(HostTask.note)).all() == ["the host's"]
        started = service.start_task("Dice")
        [found] = service.find_runs(launch_id=started.launch_ids[0])
        assert db.session.scalars(select(HostTask.note)).all() == ["the host's"]
        assert found.task_id == created.id
        assert get_state().session is get_state().session
        assert get_state().session is not db.session()
    assert session.scalar(select(TaskResult.task_id)) == created.id


def test_the_doctor_looks_there(app: Flask, session: Session) -> None:
    """Schema, rights, and size of the results."""
    many_rows.fill(session, 12)

    found = examined(app)

    newest = migrations.newest_revision()
    assert found["migrations"].found == f"The schema is at revision {newest}, the newest."
    assert found["rights"].found == "The role has all rights that it needs."
    assert found["table growth"].found.startswith("About 12 results, ")


def test_a_missing_schema_is_named(empty_database_url: URL) -> None:
    """Creating it is the administrator's business."""
    create = f"CREATE SCHEMA {QUOTED} AUTHORIZATION {empty_database_url.username};"
    with bare_app(empty_database_url, TASKADMIN_SCHEMA=SCHEMA) as app:
        for migrate in (migrations.upgrade, lambda app: migrations.downgrade(app, "base")):
            with pytest.raises(MigrationError) as caught:
                migrate(app)
            assert str(caught.value).endswith(
                f" of TASKADMIN_SCHEMA doesn't exist. Create it: {create}"
            )
        assert migrations.existing_tables(app) == []
        assert examined(app)["migrations"].fix == (f"{create}\nflask taskadmin db upgrade")


@pytest.fixture
def role(host: Engine, database_url: URL) -> Iterator[str]:
    """A role that may log in, and nothing else."""
    name = f"{database_url.database}_pages"
    run(host, f'CREATE ROLE "{name}" LOGIN')
    yield name
    run(host, f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


@pytest.mark.parametrize("part", RolePurpose)
def test_granted_rights_include_the_schema(
    app: Flask, role: str, database_url: URL, part: RolePurpose
) -> None:
    """They are exactly what the role lacks."""
    theirs = create_engine(database_url.set(username=role)).execution_options(
        schema_translate_map={None: SCHEMA}
    )
    with Session(theirs) as session:
        before = [one.grant for one in lacking_rights(session, part, version_table=VERSION_TABLE)]

    done = app.test_cli_runner().invoke(taskadmin_cli, ["db", "grant", role, "--for", part.value])

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[:-1] == before
    assert f'GRANT USAGE ON SCHEMA {QUOTED} TO "{role}";' in before
    assert any(f"ON {QUOTED}.taskadmin_process TO" in one for one in before)
    with Session(theirs) as session:
        assert lacking_rights(session, part, version_table=VERSION_TABLE) == []
        if part is RolePurpose.PAGES:
            World(session)
    theirs.dispose()


def test_two_applications_have_different_schemas(
    app: Flask, make_app: MakeApp, host: Engine, make_task: MakeTask
) -> None:
    """In one process and one database."""
    make_task(name="Of the first")
    run(host, "CREATE SCHEMA second")
    second = make_app(TASKADMIN_SCHEMA="second")
    migrations.upgrade(second)

    with second.app_context():
        assert get_state().session.scalars(select(Task.name)).all() == []
        service.create_user("ana", password="a long enough password", is_superuser=True)
    with app.app_context():
        assert get_state().session.scalars(select(Task.name)).all() == ["Of the first"]
        assert "ana" not in get_state().session.scalars(select(User.username)).all()


def test_the_hosts_migrations_see_none_of_it(app: Flask, host: Engine) -> None:
    """With Alembic's include_schemas, and the documented filter."""
    arguments = {"include_schemas": True, "include_object": migrations.include_object}
    flask_migrate.Migrate(app, app.extensions["sqlalchemy"], **arguments)

    assert examined(app)["include_object"].status == Status.OK


@pytest.mark.databases("sqlite")
def test_sqlite_has_no_schemas(empty_database_url: URL) -> None:
    """It is refused when the application starts."""
    app, db = host_app(empty_database_url, TASKADMIN_SCHEMA="jobs")

    with pytest.raises(ConfigurationError) as caught:
        TaskAdmin().init_app(app, db=db)

    assert str(caught.value) == (
        "TASKADMIN_SCHEMA is 'jobs', but sqlite isn't PostgreSQL: remove the setting, or set"
        " SQLALCHEMY_DATABASE_URI to a PostgreSQL database."
    )
