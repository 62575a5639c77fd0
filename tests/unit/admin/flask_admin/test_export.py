"""Downloads."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from taskadmin.admin.flask_admin.export import download, own_session
from taskadmin.store.people.audit import Actor


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ada, the actor of the audit entries."""
    ada = Actor(None, "ada", "192.0.2.1")
    monkeypatch.setattr("taskadmin.admin.flask_admin.export.current_actor", lambda: ada)


@pytest.mark.databases("postgresql")
def test_an_export_has_its_own_time_limits(engine: Engine) -> None:
    """The request's session ends before it."""
    with own_session(engine) as session:
        assert session.scalar(text("SHOW statement_timeout")) == "1min"
    assert not session.in_transaction()


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("name", "kind", "whole", "empty"),
    [
        ("tasks.csv", "text/csv", "a,b\r\n1,'=2\r\n2,x\r\n", "a,b\r\n"),
        (
            "tasks.json",
            "application/json",
            '[\n{"a": 1, "b": "=2"},\n{"a": 2, "b": "x"}\n]\n',
            "[\n]\n",
        ),
    ],
)
def test_a_file_is_named_after_its_contents(
    app: Flask, name: str, kind: str, whole: str, empty: str
) -> None:
    """By its name; rows come in batches, or there are none."""
    batches = [[{"a": 1, "b": "=2"}], [{"a": 2, "b": "x"}]]
    with app.test_request_context():
        answer = download(iter(batches), ["a", "b"], name)
        assert (answer.mimetype, answer.get_data(as_text=True)) == (kind, whole)
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert download(iter([]), ["a", "b"], name).get_data(as_text=True) == empty


@pytest.mark.usefixtures("signed_in")
def test_errors_in_the_first_rows_are_error_pages(app: Flask) -> None:
    """Instead of an incomplete file."""
    with app.test_request_context(), pytest.raises(ZeroDivisionError):
        download(([{"a": 1 // 0}] for _ in "a"), ["a"], "tasks.csv")
