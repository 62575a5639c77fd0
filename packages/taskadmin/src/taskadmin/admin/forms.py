"""Forms of the admin pages."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError as ArgumentsError
from wtforms import BooleanField, Field, HiddenField, StringField, ValidationError
from wtforms.validators import Length
from wtforms.widgets import TextInput

from ..jobs import GENERATE_RANDOM_NUMBER_JOB
from ..shell import PageForm

#: A number as Python, JSON and databases write it: ASCII digits, a point, an exponent.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class NumberField(Field):
    """A finite number, as text, so that what was typed is shown again with the message."""

    widget = TextInput()

    def __init__(self, label: str, **options: Any) -> None:
        super().__init__(
            label,
            render_kw={"inputmode": "decimal", "autocomplete": "off", "required": True},
            **options,
        )

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else repr(self.data)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read what was typed.

        Raises:
            ValueError: With a sentence for the person who typed it.
        """
        self.data = None
        text = valuelist[0].strip() if valuelist else ""
        if not text:
            raise ValueError("Enter a number.")
        if len(text) > 400 or not _NUMBER.fullmatch(text):
            raise ValueError("Enter a number such as -0.5, 10 or 1.5e6, with a point.")
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("This number is too large: the largest is about 1.79e308.")
        self.data = number


def _clean_text(_form: Any, field: Field) -> None:
    text = field.data or ""
    if any(not character.isprintable() for character in text):
        raise ValidationError("This text holds characters that can't be shown.")


class TaskForm(PageForm):
    """A task; of another job than the built-in one, without its arguments."""

    name = StringField(
        "Name",
        filters=[lambda text: (text or "").strip() or None],
        validators=[Length(max=200, message="A name has at most 200 characters."), _clean_text],
        description="Optional; what the task is called in lists.",
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    lower_limit = NumberField("Lower limit")
    upper_limit = NumberField("Upper limit")
    enabled = BooleanField(
        "Enabled", default=True, description="Started by the launcher every time."
    )
    #: The task's version when this person began to edit it.
    version = HiddenField(default="")

    _kept: Mapping[str, Any] | None = None

    def keep_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Leave the task's arguments as they are, and the limits out."""
        self._kept = arguments
        del self.lower_limit
        del self.upper_limit

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """Check each field, then all arguments by the job's own model."""
        if not super().validate(extra_validators):
            return False
        if self._kept is not None:
            return True
        try:
            GENERATE_RANDOM_NUMBER_JOB.arguments.model_validate(self.arguments)
        except ArgumentsError as error:
            for problem in error.errors():
                name = str(problem["loc"][0]) if problem["loc"] else "upper_limit"
                self[name].errors = [*self[name].errors, problem["msg"]]
            return False
        return True

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The job's arguments."""
        if self._kept is not None:
            return self._kept
        return {"lower_limit": self.lower_limit.data, "upper_limit": self.upper_limit.data}


class RolesForm(PageForm):
    """What a person may do."""

    is_active = BooleanField("Active", description="May log in.")
    is_superuser = BooleanField("Superuser", description="Manages tasks and users.")
    can_review_tasks = BooleanField(
        "Reviewer", description="Sees who has how many tasks, and nothing else."
    )


class ConfirmedForm(PageForm):
    """Nothing but the CSRF token."""
