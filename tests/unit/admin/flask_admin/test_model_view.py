"""Lists and rows at addresses that no page links to."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from fixture_types import MakeTask
from services.pages import cells


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("page", ["1", "99", "1000001", "9" * 30])
def test_a_page_past_the_end_leads_to_the_first(
    superuser: FlaskClient, make_task: MakeTask, page: str
) -> None:
    """The filter is kept."""
    make_task(name="Dice")

    answer = superuser.get(f"/taskadmin/tasks/?search=dice&page={page}")

    assert answer.location == "/taskadmin/tasks/?search=dice"
    assert cells(superuser.get(answer.location).text)


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.5", "٣", "9" * 30, ""])
def test_a_row_that_can_not_be_there_is_not_asked_for(
    superuser: FlaskClient, make_task: MakeTask, id_: str
) -> None:
    """PostgreSQL can't compare most of these with a number."""
    make_task()

    assert superuser.get("/taskadmin/tasks/details/?id=1").status_code == 200
    assert superuser.get("/taskadmin/tasks/details/", query_string={"id": id_}).status_code in (
        302,
        404,
    )
