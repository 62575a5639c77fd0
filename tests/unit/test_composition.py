"""Two applications in one process, and parts without the others."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import URL

from fixture_types import MakeApp
from services.hosts import host_app
from services.servers.databases import dispose_engines
from taskadmin import AdminViews, Migrations, Models, TaskAdmin, TaskAdminError, TaskQueue
from taskadmin.migrations import check
from taskadmin.state import get_state
from taskadmin.store.people import users


def test_two_applications_in_one_process_do_not_mix(
    make_app: MakeApp, database: str, tmp_path: Any
) -> None:
    """Each has its own settings, database, Celery application and pages."""
    first = make_app(TASKADMIN_SITE_NAME="First")
    other, db = host_app(f"sqlite:///{tmp_path}/other.sqlite", TASKADMIN_SITE_NAME="Other")
    TaskAdmin().init_app(other, db=db)
    from taskadmin.migrations import upgrade

    upgrade(other)
    try:
        with first.app_context():
            users.create_user(get_state().session, "ada", password_hash=None)
        with other.app_context():
            assert users.find_user(get_state().session, "ada") is None
        assert get_state(first).celery is not get_state(other).celery
        assert b"First" in first.test_client().get("/taskadmin/login").data
        assert b"Other" in other.test_client().get("/taskadmin/login").data
    finally:
        dispose_engines(other)


def test_models_and_migrations_alone(empty_database_url: URL) -> None:
    """A process that only migrates needs neither Celery nor pages."""
    from taskadmin.migrations import upgrade

    app, db = host_app(empty_database_url)
    Models().init_app(app, db=db)
    Migrations().init_app(app)
    upgrade(app)
    check(app)
    dispose_engines(app)
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]


@pytest.mark.parametrize("part", [Migrations, TaskQueue, AdminViews])
def test_parts_that_need_tables_say_so(part: Any) -> None:
    """The error shows the line that must come first."""
    app, _ = host_app()
    with pytest.raises(TaskAdminError, match=r"needs Models: call Models\(\)\.init_app\(app, "):
        part().init_app(app)
