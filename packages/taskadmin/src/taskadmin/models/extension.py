"""``Models``: binds taskadmin's tables to the host's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RegistrationError
from ..state import register

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy


class Models:
    """Run taskadmin's models through the host's Flask-SQLAlchemy session.

    The tables have a metadata of their own and are made by taskadmin's migrations;
    ``db.create_all()`` and the host's Flask-Migrate don't touch them.
    """

    def init_app(self, app: Flask, *, db: SQLAlchemy) -> None:
        """Use *db*, which must be initialised on *app*, for everything taskadmin stores.

        Raises:
            RegistrationError: If *db* isn't the database of *app*, or on a second call.
        """
        if app.extensions.get("sqlalchemy") is not db:
            raise RegistrationError(
                f"db isn't the database of {app.name!r}: call db.init_app(app) before taskadmin's init_app."
            )
        register(app, "Models").db = db
