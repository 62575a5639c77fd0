"""Pausing a selection of tasks: what is asked before, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wtforms import DateTimeLocalField, TextAreaField, ValidationError
from wtforms.validators import Length, Optional

from ..i18n import lazy_gettext, zone
from ..shell import PageForm
from ..store.pauses import NOTE_LENGTH
from ..texts import gettext


def _in_the_future(_form: Any, field: DateTimeLocalField) -> None:
    if field.data is not None and _moment(field.data) <= datetime.now(UTC):
        raise ValidationError(gettext("This time is over: choose a later one, or none."))


def _moment(wall: datetime) -> datetime:
    """When the reader's clock shows that."""
    try:
        return wall.replace(tzinfo=zone()).astimezone(UTC)
    except OverflowError:  # the first or the last day that there is
        return wall.replace(tzinfo=UTC)


class PauseForm(PageForm):
    """Why, and until when."""

    note = TextAreaField(
        lazy_gettext("Note"),
        validators=[
            Length(
                max=NOTE_LENGTH,
                message=lazy_gettext("A note has at most %(most)s characters.", most=NOTE_LENGTH),
            )
        ],
        description=lazy_gettext(
            "Optional; shown wherever the task is, and in the rows of the runs it misses."
        ),
        render_kw={"maxlength": NOTE_LENGTH, "rows": 3},
    )
    resume_at = DateTimeLocalField(
        lazy_gettext("Resume on"),
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        validators=[Optional(), _in_the_future],
        description=lazy_gettext("Optional. Without it the pause lasts until somebody ends it."),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        said = gettext("Time in %(zone)s.", zone=zone())
        self.resume_at.description = f"{self.resume_at.description} {said}"

    @property
    def moment(self) -> datetime | None:
        """When the pause ends by itself."""
        wall: datetime | None = self.resume_at.data
        return _moment(wall) if wall is not None else None
