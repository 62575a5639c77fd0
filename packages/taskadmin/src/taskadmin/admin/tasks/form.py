"""The form of a task: name, job with arguments, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import request
from wtforms import BooleanField, Field, HiddenField, StringField, ValidationError
from wtforms.validators import Length

from ...errors import InvalidArguments
from ...jobs import Job, all_jobs
from ...jobs.arguments.masking import DOTS
from ...models import GENERATE_RANDOM_NUMBER, NOTIFY_JOB, Task
from ...schedules import InvalidSchedule
from ...schedules.durations import every_in_words
from ...store.tasks.schedules import ScheduleInput
from ...translation.i18n import lazy_gettext
from ...translation.texts import gettext
from ...values.showable import showable
from ...web.choice_field import ChoiceField
from ...web.layout import PageForm
from ..arguments.form import ArgumentsForm
from .schedule_form import Preview, ScheduleForm


def _clean_text(_form: object, field: Field) -> None:
    text = field.data or ""
    if any(not character.isprintable() for character in text):
        raise ValidationError(gettext("This text contains characters that can't be shown."))


class TaskFields(PageForm):
    """Fields that every task has, whatever its job and schedule."""

    name = StringField(
        lazy_gettext("Name"),
        filters=[lambda text: (text or "").strip() or None],
        validators=[
            Length(max=200, message=lazy_gettext("A name can have at most 200 characters.")),
            _clean_text,
        ],
        description=lazy_gettext("Optional. Shown in lists."),
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    job = ChoiceField(lazy_gettext("Job"), options={})
    #: The job whose arguments the page shows; a different one may be selected.
    arguments_of = HiddenField(default="")
    enabled = BooleanField(
        lazy_gettext("Enabled"),
        default=True,
        description=lazy_gettext("Run this task on its schedule."),
    )
    #: The task's version when the form was opened.
    version = HiddenField(default="")


class TaskForm:
    """Form to create or edit a task.

    The arguments of a task whose job isn't registered stay as they are.

    Args:
        task: None for a new task.
        stored: The task's schedule; None for the common slot.
        runs: How many runs count towards the schedule's maximum.
        now: The database's time.
        slot_interval_seconds: Length of the common slot in seconds.
    """

    def __init__(
        self,
        task: Task | None,
        *,
        stored: ScheduleInput | None = None,
        runs: int = 0,
        now: datetime,
        slot_interval_seconds: float,
    ) -> None:
        self.task = task
        self._now, self._slot_interval_seconds = now, slot_interval_seconds
        self.is_sent = request.method == "POST"
        self.fields = TaskFields(obj=task)
        self.timing = ScheduleForm(request.form if self.is_sent else None, stored=stored, runs=runs)
        own = task.job if task is not None else GENERATE_RANDOM_NUMBER
        if self.is_sent:
            picked = request.form.get("job", own)
        else:
            picked = request.args.get("job", own)
            if picked not in all_jobs():
                picked = own
        self.job_name = picked
        self.job: Job | None = all_jobs().get(picked)
        self.fields.job.data = picked
        self.fields.job.options = _options(own, self.job is None and picked != own, picked)
        # Without JavaScript, the page may still show the arguments of the previous job.
        shown = request.form.get("arguments_of", picked) if self.is_sent else picked
        self.has_other_arguments = shown != picked
        self.fields.arguments_of.data = picked
        self.arguments: ArgumentsForm | None = None
        is_own = task is not None and picked == own
        if self.job is not None:
            self.arguments = ArgumentsForm(
                self.job,
                stored=task.arguments if task is not None and is_own else None,
                masked=tuple(task.masked) if task is not None and is_own else (),
                typed=request.form if self.is_sent and not self.has_other_arguments else None,
            )
            if not self.is_sent:
                self.arguments.check_stored()

    @property
    def asks_for_arguments(self) -> bool:
        """Whether the form was submitted with the arguments of another job."""
        return self.has_other_arguments and "use_job" not in request.form

    @property
    def slot_rhythm(self) -> str:
        """How often the common slot runs: “every 5 minutes”."""
        return every_in_words(timedelta(seconds=self._slot_interval_seconds))

    @property
    def description(self) -> str:
        """Description of the job."""
        if self.job is None:
            return ""
        own = self.job.name == GENERATE_RANDOM_NUMBER
        return gettext(self.job.description) if own else self.job.description

    @property
    def is_orphaned(self) -> bool:
        """Whether the task's job isn't registered, so that its arguments can't be edited."""
        return self.task is not None and self.job is None and self.job_name == self.task.job

    @property
    def shown_arguments(self) -> Mapping[str, Any]:
        """The arguments of an orphaned task, read-only."""
        assert self.task is not None
        masked = self.task.masked
        shown = showable(self.task.arguments)
        return {name: DOTS if name in masked else value for name, value in shown.items()}

    @property
    def has_errors(self) -> bool:
        """Whether any field has an error."""
        return bool(
            self.fields.errors
            or self.timing.errors
            or (self.arguments is not None and self.arguments.has_errors)
        )

    @property
    def values(self) -> dict[str, Any]:
        """Keyword arguments for the service's ``create_task``, after ``validate_on_submit``."""
        values = {
            "name": self.fields.name.data or "",
            "enabled": self.fields.enabled.data,
            "job": self.job_name,
            "schedule": self.timing.schedule or ScheduleInput(),
        }
        if self.arguments is not None:
            return {
                **values,
                "arguments": self.arguments.values,
                "masked": self.arguments.masked,
            }
        assert self.task is not None
        return {**values, "arguments": self.task.arguments, "masked": self.task.masked}

    def validate_on_submit(self) -> bool:
        """Return whether the form was submitted to be saved and is valid."""
        if not self.is_sent:
            return False
        # Validate every part, so that the user sees all errors at once.
        timing = self.timing.read(now=self._now, slot_interval_seconds=self._slot_interval_seconds)
        if "preview" in request.form or "use_job" in request.form or self.has_other_arguments:
            self.forget_secrets()
            if "preview" not in request.form:
                for field in self.timing:
                    field.errors = []
            return False
        fields = self.fields.validate_on_submit()
        if self.job is None and not self.is_orphaned:
            self.fields.job.errors = [
                gettext("No job named %(name)s is registered.", name=self.job_name[:100])
            ]
            fields = False
        arguments = self.arguments is None or self.arguments.validate()
        if not (fields and timing) and arguments:
            self.forget_secrets()
        return bool(fields and timing and arguments)

    def refuse(self, error: InvalidArguments | InvalidSchedule) -> None:
        """Show an error found while saving, such as a time that has passed since validation."""
        if isinstance(error, InvalidSchedule):
            self.timing.refuse(error)
        elif self.arguments is not None:
            self.arguments.errors.append(str(error))
        self.forget_secrets()

    def forget_secrets(self) -> None:
        """Ask for each typed secret again, because secrets aren't sent back."""
        if self.arguments is not None:
            self.arguments.forget_secrets()

    def preview(self) -> Preview | None:
        """Return the next runs of the entered schedule."""
        return self.timing.preview(now=self._now, slot_interval_seconds=self._slot_interval_seconds)


def _options(own: str, is_unknown: bool, picked: str) -> dict[str, str]:
    """Return the jobs to choose from; unregistered ones come first and are marked."""
    unknown = [own] if own not in all_jobs() else []
    unknown += [picked] if is_unknown else []
    return {name: gettext("%(job)s (not registered)", job=name[:100]) for name in unknown} | {
        name: name for name in sorted(all_jobs()) if name in (own, picked) or name != NOTIFY_JOB
    }
