"""Tasks as they are sent to the API."""

from __future__ import annotations

from taskadmin.api.models.tasks import ScheduleBody
from taskadmin.store.tasks.schedules import DEFINITION, ScheduleInput


def test_a_schedule_has_all_fields_with_their_defaults() -> None:
    """Without any key, it is the common slot."""
    assert set(ScheduleBody.model_fields) == set(DEFINITION)
    assert ScheduleBody.model_validate({}).as_input() == ScheduleInput()
