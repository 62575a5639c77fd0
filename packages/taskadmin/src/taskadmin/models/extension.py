"""``Models``: bind taskadmin's tables to the host's database, or to a schema of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.globals import app_ctx
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from ..errors import ConfigurationError, RegistrationError
from ..state import register

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy


class Models:
    """Use taskadmin's models through the host's Flask-SQLAlchemy session.

    The tables have their own metadata and are created by taskadmin's migrations;
    ``db.create_all()`` and the host's Flask-Migrate don't touch them. A schema of the host's
    metadata doesn't apply to them: ``TASKADMIN_SCHEMA`` does.
    """

    def init_app(self, app: Flask, *, db: SQLAlchemy) -> None:
        """Store everything in *db*, which must be initialized on *app*.

        Raises:
            RegistrationError: If *db* isn't the database of *app*, or on a second call.
            ConfigurationError: If ``TASKADMIN_SCHEMA`` is set and the database has no schemas.
        """
        if app.extensions.get("sqlalchemy") is not db:
            raise RegistrationError(
                f"db isn't the database of {app.name!r}: call db.init_app(app) before taskadmin's init_app."
            )
        state = register(app, "Models")
        schema = state.settings.database_schema
        state.db = db
        if schema is None:
            state.sessions = lambda: db.session()  # a host's tests may replace db.session
        else:
            state.sessions = _sessions_in(schema, app, db)


def _sessions_in(schema: str, app: Flask, db: SQLAlchemy) -> scoped_session[Session]:
    """Return sessions whose engine adds *schema* to the names of tables.

    They use the connections of the host's engine, but not its sessions: SQLAlchemy would add the
    schema to the host's tables, too.
    """
    with app.app_context():
        engine = db.engine.execution_options(schema_translate_map={None: schema})
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            f"TASKADMIN_SCHEMA is {schema!r}, but {engine.dialect.name} isn't PostgreSQL:"
            " remove the setting, or set SQLALCHEMY_DATABASE_URI to a PostgreSQL database."
        )
    sessions = scoped_session(sessionmaker(engine), scopefunc=_id_of_app_context)
    app.teardown_appcontext(lambda _: sessions.remove())
    return sessions


def _id_of_app_context() -> int:
    # Flask-SQLAlchemy's scope, too. The object behind the proxy has an id for as long as it lives.
    return id(app_ctx._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
