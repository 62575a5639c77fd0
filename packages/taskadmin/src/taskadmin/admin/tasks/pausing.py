"""Form to pause tasks."""

from __future__ import annotations

from datetime import UTC, datetime

from wtforms import DateTimeLocalField, TextAreaField
from wtforms.validators import Length, Optional

from ...schedules.kinds import LATEST_DUE
from ...store.tasks.pauses import NOTE_LENGTH
from ...translation.i18n import lazy_gettext, zone
from ...translation.texts import gettext
from ...web.layout import PageForm


def _moment(wall: datetime) -> datetime:
    """Return the moment at which clocks in the reader's zone show that time."""
    try:
        return wall.replace(tzinfo=zone()).astimezone(UTC)
    except OverflowError:  # the first or last day that datetime knows
        return wall.replace(tzinfo=UTC)


class PauseForm(PageForm):
    """Note and end of a pause."""

    note = TextAreaField(
        lazy_gettext("Note"),
        validators=[
            Length(
                max=NOTE_LENGTH,
                message=lazy_gettext(
                    "A note can have at most %(most)s characters.", most=NOTE_LENGTH
                ),
            )
        ],
        description=lazy_gettext("Optional. Shown with the task and with each run it skips."),
        render_kw={"maxlength": NOTE_LENGTH, "rows": 3},
    )
    resume_at = DateTimeLocalField(
        lazy_gettext("Resume on"),
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        validators=[Optional()],
        description=lazy_gettext(
            "Optional. Leave empty to keep the task paused until it is resumed."
        ),
    )

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        said = gettext("Time in %(zone)s.", zone=zone())
        self.resume_at.description = f"{self.resume_at.description} {said}"

    @property
    def moment(self) -> datetime | None:
        """When the pause ends."""
        wall: datetime | None = self.resume_at.data
        return _moment(wall) if wall is not None else None

    def refuse_moment(self) -> None:
        """Say that the time is over, or too far away."""
        moment = self.moment
        self.resume_at.errors = [
            gettext("The date must be in the years 1970 to 2999.")
            if moment is not None and moment > LATEST_DUE
            else gettext("This time has passed. Enter a later one or leave it empty.")
        ]
