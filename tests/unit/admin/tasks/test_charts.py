"""The charts of a task's page."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import cells
from services.rows.listed_runs import put_runs
from taskadmin.models import TaskResult

DRAWN = 'aria-label="Results of the last runs"'


def test_a_tasks_chart_shows_results_and_durations(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Two charts with descriptions, minimum and maximum, and a table."""
    task = make_task()
    put_runs(session, task, [*["succeeded"] * 230, "skipped", "failed", "running"])
    address = f"/taskadmin/tasks/details/?id={task.id}&tab=chart"

    page = superuser.get(address).text
    table = superuser.get(f"{address}&as=table").text

    assert 'aria-label="Results of the last runs"' in page
    assert 'aria-label="Durations of the last runs"' in page
    assert "Times in UTC." in page
    assert re.findall(r'series (\w+)"', page)[:3] == ["least", "most", "value"]
    assert '<dt>Minimum</dt><dd><span title="31">31</span></dd>' in page
    assert '<dt>Maximum</dt><dd><span title="229">229</span></dd>' in page
    assert "<dt>Longest</dt><dd>2 sec</dd>" in page
    assert f'href="{address.replace("&", "&amp;")}&amp;as=table"' in page
    assert "The last 200 finished runs" in table
    rows = cells(table)
    assert len(rows) == 200
    assert [rows[0][3], rows[1][3], rows[-1][3]] == ["–", "229", "31"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([], "No data yet"),
        ([None, None], "None of the latest results is a number"),
        ([1.7e308, -1.7e308], "These results are too large, too small or too close together"),
        ([5e-324, 0.0], "These results are too large, too small or too close together"),
        ([1e16, 1e16 + 2], "These results are too large, too small or too close together"),
        # One value, equal values, very large and very small ones.
        *(
            (results, DRAWN)
            for results in ([0.0], [5, 5], [-1e99, 1e99], [1e-99, 2e-99], [0.1, 0.1 + 1e-12])
        ),
        ([1e16, 1e16], DRAWN),
    ],
)
def test_results_are_drawn_if_a_line_goes_through_them(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    results: list[float | None],
    sentence: str,
) -> None:
    """Without drawable numbers, the page says so."""
    task = make_task()
    ids = put_runs(session, task, ["succeeded"] * len(results)) if results else []
    for id_, result in zip(ids, results, strict=True):
        session.get_one(TaskResult, id_).result = result
    session.commit()

    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}&tab=chart").text

    assert sentence in page
    assert (DRAWN in page) is (sentence == DRAWN)
    assert ('aria-label="Durations of the last runs"' in page) is bool(results)
