"""``TaskAdmin``: every part in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .accounts import Accounts, IdentityFunction
from .admin import AdminViews
from .health import blueprint as health
from .migrations import Migrations
from .models import Models
from .queue import TaskQueue

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask
    from flask_admin import Admin
    from flask_sqlalchemy import SQLAlchemy


class TaskAdmin:
    """All of taskadmin in one call: models, migrations, accounts, task queue and admin views.

    .. code-block:: python

        db = SQLAlchemy(app)
        TaskAdmin().init_app(app, db=db)

    Each part can be used alone, in this order: ``Models``, ``Migrations``,
    ``Accounts``, ``TaskQueue``, ``AdminViews``, and then ``taskadmin.health.blueprint``
    for ``/healthz`` and ``/readyz``. What they keep for an application
    is in ``app.extensions["taskadmin"]``; the settings are the ``TASKADMIN_*`` keys
    of ``taskadmin.settings``, read once, here.
    """

    def init_app(
        self,
        app: Flask,
        *,
        db: SQLAlchemy,
        admin: Admin | None = None,
        celery: Celery | None = None,
        identity: IdentityFunction | None = None,
        url_prefix: str = "/taskadmin",
    ) -> None:
        """Register every part on *app*; no connection is opened.

        Args:
            db: The host's Flask-SQLAlchemy, initialised on *app* before.
            admin: The host's Flask-Admin to add the views to; otherwise they get one of their own.
            celery: The host's Celery application; otherwise one is made, configured by
                ``app.config["CELERY"]``.
            identity: Returns who is signed in, for hosts with users of their own;
                otherwise taskadmin's own accounts are used.
            url_prefix: Path below which the pages are.

        Raises:
            RegistrationError: If taskadmin is registered on *app* already, or something it
                needs is missing; the message has the line to add.
            ConfigurationError: If a ``TASKADMIN_*`` setting is unknown or wrong.
        """
        Models().init_app(app, db=db)
        Migrations().init_app(app)
        Accounts().init_app(app, identity=identity, url_prefix=url_prefix)
        TaskQueue().init_app(app, celery=celery)
        AdminViews().init_app(app, admin=admin, url_prefix=url_prefix)
        app.register_blueprint(health, url_prefix=url_prefix)
