"""``TaskAdmin``: initialize all parts, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .accounts import Accounts, HostUrl, IdentityFunction, IdentityOfFunction
from .admin import AdminViews
from .cli import taskadmin_cli
from .health import blueprint as health
from .metrics import Metrics
from .migrations import Migrations
from .models import Models
from .queue import TaskQueue
from .web.blueprint import checked_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery
    from flask import Flask
    from flask_admin import Admin
    from flask_sqlalchemy import SQLAlchemy


class TaskAdmin:
    """All of taskadmin in one call: models, migrations, accounts, task queue and admin views.

    .. code-block:: python

        db = SQLAlchemy(app)
        TaskAdmin().init_app(app, db=db)

    Each part can be used alone, in this order: ``Models``, ``Migrations``, ``Accounts``,
    ``TaskQueue``, ``AdminViews``, then ``taskadmin.health.blueprint`` for ``/healthz`` and
    ``/readyz``, and ``Metrics``. Their state for an application is in
    ``app.extensions["taskadmin"]``; the settings are the ``TASKADMIN_*`` keys of
    ``taskadmin.settings``, read once, here.
    """

    def init_app(
        self,
        app: Flask,
        *,
        db: SQLAlchemy,
        admin: Admin | None = None,
        celery: Celery | None = None,
        identity: IdentityFunction | None = None,
        identity_of: IdentityOfFunction | None = None,
        request_identity: IdentityFunction | None = None,
        login_url: HostUrl | None = None,
        logout_url: HostUrl | None = None,
        metrics_allowed: Callable[[], bool] | None = None,
        url_prefix: str = "/taskadmin",
    ) -> None:
        """Register every part on *app*; no connection is opened.

        Args:
            db: The host's Flask-SQLAlchemy, already initialized on *app*.
            admin: The host's Flask-Admin to add the views to; by default they get their own.
            celery: The host's Celery application; by default one is created, configured by
                ``app.config["CELERY"]``.
            identity: Returns the logged-in user, for hosts with their own users; by default,
                taskadmin's own accounts are used.
            identity_of: With *identity*, returns the user with a username, so that API tokens have
                the host's roles of now. Without it, users of the host have no tokens.
            request_identity: With *identity*, returns the user who sends an API request without a
                token of taskadmin's, such as by the host's own tokens; never by a cookie.
            login_url: With *identity*, the host's login page: an address, the name of an endpoint,
                or a function that returns either. Without it, visitors see a page that tells them
                to log in first.
            logout_url: With *identity*, the host's address for logging out, requested with GET.
            metrics_allowed: Returns whether the current request may read ``/metrics``, besides
                requests with ``TASKADMIN_METRICS_TOKEN``.
            url_prefix: Path prefix of the pages.

        Raises:
            RegistrationError: If taskadmin is already registered on *app*, or something is missing;
                the message has the line to add.
            ConfigurationError: If a ``TASKADMIN_*`` setting is unknown, invalid, or not for this
                database, or *url_prefix*, *login_url* or *logout_url* can't be used.
        """
        url_prefix = checked_prefix(url_prefix)
        Models().init_app(app, db=db)
        Migrations().init_app(app)
        Accounts().init_app(
            app,
            identity=identity,
            identity_of=identity_of,
            request_identity=request_identity,
            login_url=login_url,
            logout_url=logout_url,
            url_prefix=url_prefix,
        )
        TaskQueue().init_app(app, celery=celery)
        AdminViews().init_app(app, admin=admin, url_prefix=url_prefix)
        app.register_blueprint(health, url_prefix=url_prefix)
        Metrics().init_app(app, allowed=metrics_allowed, url_prefix=url_prefix)
        # The flask command finds it as an entry point; app.test_cli_runner() only looks here.
        if taskadmin_cli.name not in app.cli.commands:
            app.cli.add_command(taskadmin_cli)
