"""Runs as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from taskadmin.admin.runs import export
from taskadmin.models import TaskResult
from taskadmin.store.reports.matching_runs import runs_in_batches


@pytest.fixture
def failed(session: Session, runs: list[TaskResult]) -> int:
    """A failed run, with a secret and a formula in its error."""
    run_id = runs[0].id
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run_id)
        .values(
            state="failed",
            finished_at=TaskResult.queued_at,
            started_at=TaskResult.queued_at,
            error_type="Boom",
            error="=cmd()",
            result=-2.5,
            task_params={"token": "hunter2", "n": 1, "_masked": ["token"], "author_id": 7},
        )
    )
    session.commit()
    return run_id


def test_the_csv_has_the_matching_rows_without_secrets(superuser: FlaskClient, failed: int) -> None:
    """Texts that look like formulas are escaped."""
    answer = superuser.get("/taskadmin/runs/export/csv/?state=failed")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == "attachment; filename=runs.csv"
    assert "hunter2" not in answer.text
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["id"], row["task"], row["state"]) == (str(failed), "First", "failed")
    assert (row["error"], row["result"], row["author_id"]) == ("'=cmd()", "-2.5", "7")
    assert (row["waited_seconds"], row["ran_seconds"], row["reason"]) == ("0.0", "0.0", "")
    assert json.loads(row["arguments"]) == {"token": "••••••", "n": 1}
    assert row["due_at"].endswith("+00:00")


def test_the_json_has_objects(superuser: FlaskClient, failed: int) -> None:
    """An empty export is valid, too."""
    answer = superuser.get("/taskadmin/runs/export/json/?search=job:generate_random_number")
    rows = json.loads(answer.text)
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert len(rows) == 6
    [row] = [row for row in rows if row["id"] == failed]
    assert row["arguments"] == {"token": "••••••", "n": 1}
    assert (row["result"], row["error"], row["ran_seconds"]) == (-2.5, "=cmd()", 0.0)
    assert json.loads(superuser.get("/taskadmin/runs/export/json/?task=1&job=x").text) == []


def test_a_search_that_makes_no_sense_is_no_empty_file(superuser: FlaskClient) -> None:
    """An empty file would look as if nothing matched."""
    answer = superuser.get("/taskadmin/runs/export/json/?search=state:x")
    assert answer.status_code == 422
    assert "is not a run state" in answer.text


def test_invalid_parameters_are_not_found(superuser: FlaskClient, plain: FlaskClient) -> None:
    """Only superusers get exports."""
    assert superuser.get("/taskadmin/runs/export/csv/?state=x").status_code == 404
    assert superuser.get("/taskadmin/runs/export/xml/").status_code == 404
    assert plain.get("/taskadmin/runs/export/csv/").status_code == 403


def test_an_export_reads_in_batches(
    superuser: FlaskClient,
    runs: list[TaskResult],
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By id, with one query per batch."""
    monkeypatch.setattr(
        export,
        "runs_in_batches",
        lambda session, which: runs_in_batches(session, which, batch=2),
    )
    with count_queries() as statements:
        text = superuser.get("/taskadmin/runs/export/csv/").text
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(runs)
    assert sum("FROM taskadmin_task_result" in one for one in statements) == 4
