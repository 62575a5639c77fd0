"""The form of a task: its name, its job with the arguments, its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import request
from wtforms import BooleanField, Field, HiddenField, StringField, ValidationError
from wtforms.validators import Length

from ..i18n import lazy_gettext
from ..jobs import Job, all_jobs
from ..jobs.masking import DOTS
from ..models import GENERATE_RANDOM_NUMBER, Task
from ..schedules.durations import every_in_words
from ..shell import PageForm
from ..store.schedules import ScheduleInput
from ..texts import gettext
from .arguments_form import ArgumentsForm
from .choice_field import ChoiceField
from .schedule_form import Preview, ScheduleForm


def _clean_text(_form: Any, field: Field) -> None:
    text = field.data or ""
    if any(not character.isprintable() for character in text):
        raise ValidationError(gettext("This text holds characters that can't be shown."))


class TaskFields(PageForm):
    """What every task has, whatever its job and its schedule."""

    name = StringField(
        lazy_gettext("Name"),
        filters=[lambda text: (text or "").strip() or None],
        validators=[
            Length(max=200, message=lazy_gettext("A name has at most 200 characters.")),
            _clean_text,
        ],
        description=lazy_gettext("Optional; what the task is called in lists."),
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    job = ChoiceField(lazy_gettext("Job"), options={})
    #: The job whose arguments the page shows: another one may have been picked since.
    arguments_of = HiddenField(default="")
    enabled = BooleanField(
        lazy_gettext("Enabled"),
        default=True,
        description=lazy_gettext("Started by its schedule."),
    )
    #: The task's version when this person began to edit it.
    version = HiddenField(default="")


class TaskForm:
    """A new task, or one that is edited.

    Of a task whose job isn't registered, the arguments stay as they are.

    Args:
        task: None for a new one.
        stored: The task's schedule; None for the common slot.
        runs: How many runs of the schedule's maximum there were.
        now: The database's time.
        slot_interval_s: Length of the common slot in seconds.
    """

    def __init__(
        self,
        task: Task | None,
        *,
        stored: ScheduleInput | None = None,
        runs: int = 0,
        now: datetime,
        slot_interval_s: float,
    ) -> None:
        self.task = task
        self._now, self._slot_interval_s = now, slot_interval_s
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
        # Without JavaScript, the page may still show the arguments of the job before.
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
        """Whether it was sent to be saved with the arguments of another job."""
        return self.has_other_arguments and "use_job" not in request.form

    @property
    def slot_rhythm(self) -> str:
        """How often the common slot comes: “every 5 minutes”."""
        return every_in_words(timedelta(seconds=self._slot_interval_s))

    @property
    def description(self) -> str:
        """What the job does."""
        if self.job is None:
            return ""
        own = self.job.name == GENERATE_RANDOM_NUMBER
        return gettext(self.job.description) if own else self.job.description

    @property
    def is_orphaned(self) -> bool:
        """Whether the task's job isn't registered, so that its arguments can't be asked for."""
        return self.task is not None and self.job is None and self.job_name == self.task.job

    @property
    def shown_arguments(self) -> Mapping[str, Any]:
        """The arguments of an orphaned task, for reading."""
        assert self.task is not None
        masked = self.task.masked
        return {
            name: DOTS if name in masked else value for name, value in self.task.arguments.items()
        }

    @property
    def has_errors(self) -> bool:
        """Whether there is a message at any field."""
        return bool(
            self.fields.errors
            or self.timing.errors
            or (self.arguments is not None and self.arguments.has_errors)
        )

    @property
    def values(self) -> dict[str, Any]:
        """What ``create_task`` and ``update_task`` take, after ``validate_on_submit``."""
        values = {
            "name": self.fields.name.data,
            "enabled": self.fields.enabled.data,
            "job": self.job_name,
            "schedule": self.timing.schedule,
            "slot_interval_s": self._slot_interval_s,
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
        """Whether it was sent to be saved, and can be."""
        if not self.is_sent:
            return False
        # Each says what there is to say, so that nobody mends one part to hear of the next.
        timing = self.timing.read(now=self._now, slot_interval_s=self._slot_interval_s)
        if "preview" in request.form or "use_job" in request.form or self.has_other_arguments:
            self.forget_secrets()
            if "preview" not in request.form:
                for field in self.timing:
                    field.errors = []
            return False
        fields = self.fields.validate_on_submit()
        if self.job is None and not self.is_orphaned:
            self.fields.job.errors = [
                gettext("No job is registered under the name %(name)s.", name=self.job_name[:100])
            ]
            fields = False
        arguments = self.arguments is None or self.arguments.validate()
        if not (fields and timing) and arguments:
            self.forget_secrets()
        return bool(fields and timing and arguments)

    def forget_secrets(self) -> None:
        """Say of what was typed and isn't sent back that it has to be typed again."""
        if self.arguments is not None:
            self.arguments.forget_secrets()

    def preview(self) -> Preview | None:
        """What the schedule means."""
        return self.timing.preview(now=self._now, slot_interval_s=self._slot_interval_s)


def _options(own: str, is_unknown: bool, picked: str) -> dict[str, str]:
    """The jobs to choose from; those that aren't registered come first, and say so."""
    unknown = [own] if own not in all_jobs() else []
    unknown += [picked] if is_unknown else []
    return {name: gettext("%(job)s (not registered)", job=name[:100]) for name in unknown} | {
        name: name for name in sorted(all_jobs())
    }
