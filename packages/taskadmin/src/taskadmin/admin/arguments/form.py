"""Form section for a job's arguments."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...jobs import Job
from ...jobs.fields import ArgumentField, fields_of, text_of_choice
from ...jobs.texts import USE_DEFAULT, parse_text, show_text
from ...models import GENERATE_RANDOM_NUMBER
from ...translation.texts import gettext
from ...values.showable import showable

#: Values that a browser's native inputs accept; they show anything else as empty.
_NATIVE_FORMATS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "time": re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII),
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII),
}
_INPUT_TYPES = {"date": "date", "time": "time", "datetime": "datetime-local", "url": "url"}
_INPUT_MODES = {"number": "decimal", "integer": "numeric"}


@dataclass(slots=True)
class ArgumentInput:
    """One argument in the form.

    Attributes:
        name: Name and id of the input.
        text: Value to show; never a secret.
        kept: Whether leaving the input empty keeps a stored secret.
        label: Translated for the built-in job only; other labels are the host's.
    """

    field: ArgumentField
    name: str
    text: str = ""
    kept: bool = False
    label: str = ""
    errors: list[str] = dataclasses.field(default_factory=list)

    @property
    def control(self) -> str:
        """The kind of element: checkbox, select, textarea or input."""
        if self.field.kind in ("switch", "choice"):
            return "checkbox" if self.field.kind == "switch" else "select"
        # A password input would drop the line breaks of a key.
        return "textarea" if self.field.content in ("multiline", "json") else "input"

    @property
    def type(self) -> str:
        """The ``type`` attribute of the input."""
        if self.field.kind == "secret":
            return "password"
        native = _NATIVE_FORMATS.get(self.field.kind)
        if native is not None and self.text and not native.fullmatch(self.text):
            return "text"
        return _INPUT_TYPES.get(self.field.kind, "text")

    @property
    def mode(self) -> str | None:
        """The ``inputmode`` attribute, which chooses a phone's keyboard."""
        return _INPUT_MODES.get(self.field.kind)

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """(text, label, selected) for each option, with an empty one first where allowed."""
        texts = [
            # Labels of booleans are translated; all others are the host's.
            (text_of_choice(value), gettext(label) if isinstance(value, bool) else label)
            for value, label in self.field.choices
        ]
        if self.field.optional or self.text not in dict(texts):
            texts.insert(0, ("", "–" if self.field.optional else gettext("Choose one")))
        return [(text, label, text == self.text) for text, label in texts]

    @property
    def is_required(self) -> bool:
        """Whether the input can't be left empty."""
        return self.field.required and not self.field.optional and not self.kept

    @property
    def is_optional(self) -> bool:
        """Whether to mark the input as optional; a shown default needs no mark."""
        return not (self.is_required or self.kept) and self.field.default is None

    @property
    def may_be_removed(self) -> bool:
        """Whether a stored secret can be removed."""
        return self.kept and (self.field.optional or not self.field.required)

    @property
    def help(self) -> str:
        """The help text below the input."""
        parts = [self.field.help, self.field.limits]
        if self.field.kind == "datetime" and not self.field.naive:
            parts.append(gettext("In UTC."))
        if self.field.kind == "duration":
            parts.append(gettext("For example 90 s, 1 h 30 min or PT90S."))
        if self.field.kind == "json":
            parts.append(gettext("As JSON."))
        if self.kept:
            parts.append(gettext("A value is stored but never shown. Leave empty to keep it."))
        return " ".join(part.rstrip() for part in parts if part)


class ArgumentsForm:
    """The arguments of a job, stored or as typed.

    Args:
        stored: The task's arguments; empty for a new task.
        masked: Names of stored arguments that were secret when stored, and stay secret.
        typed: What the browser sent; None shows the stored values or the defaults.
    """

    def __init__(
        self,
        job: Job,
        *,
        stored: Mapping[str, object] | None = None,
        masked: tuple[str, ...] = (),
        typed: Mapping[str, str] | None = None,
    ) -> None:
        self.job = job
        self.errors: list[str] = []
        #: Arguments as they are stored; set by ``validate``.
        self.values: dict[str, Any] = {}
        self._stored = dict(stored or {})
        self._typed = typed
        self.inputs = [self._input(one, masked) for one in fields_of(job)]
        known = {one.field.name for one in self.inputs}
        #: Stored arguments that the job no longer takes.
        self.unknown = sorted(showable(list(self._stored.keys() - known)))

    @property
    def masked(self) -> list[str]:
        """The names of arguments that are never shown."""
        return [one.field.name for one in self.inputs if one.field.kind == "secret"]

    @property
    def has_errors(self) -> bool:
        """Whether any input or the form as a whole has an error."""
        return bool(self.errors) or any(one.errors for one in self.inputs)

    def validate(self) -> bool:
        """Parse each text, then validate all of them with the job's model."""
        values: dict[str, Any] = {}
        for one in self.inputs:
            try:
                value = self._read(one)
            except ValueError as error:
                one.errors.append(str(error))
                continue
            if value is not USE_DEFAULT:
                values[one.field.name] = value
        self._check(values)
        if not self.has_errors:
            self.values = self.job.to_json(values)
            return True
        self.forget_secrets()
        return False

    def check_stored(self) -> None:
        """Validate the stored arguments; the job's model may have changed since."""
        names = {one.field.name for one in self.inputs}
        known = {name: value for name, value in self._stored.items() if name in names}
        if self._stored:
            self._check(known)

    def forget_secrets(self) -> None:
        """Ask for each typed secret again, because secrets aren't sent back."""
        for one in self.inputs:
            if one.field.kind == "secret" and self._typed and self._typed.get(one.name):
                one.errors.append(gettext("Enter this again. Secrets are never filled in."))

    def _input(self, one: ArgumentField, masked: tuple[str, ...]) -> ArgumentInput:
        if one.name in masked:
            one = dataclasses.replace(one, kind="secret", default=None)
        name = one.name if self.job.name == GENERATE_RANDOM_NUMBER else f"arg-{one.name}"
        own = self.job.name == GENERATE_RANDOM_NUMBER
        found = ArgumentInput(one, name, label=gettext(one.label) if own else one.label)
        found.kept = one.kind == "secret" and self._stored.get(one.name) is not None
        if one.kind != "secret":
            if self._typed is not None:
                found.text = self._typed.get(name, "")
            elif one.name in self._stored:
                found.text = show_text(one, showable(self._stored[one.name]))
            else:
                found.text = show_text(one, one.default)
        return found

    def _read(self, one: ArgumentInput) -> Any:
        typed = self._typed or {}
        text = typed.get(one.name, "")
        if one.kept and not text and not (one.may_be_removed and typed.get(f"{one.name}-remove")):
            return self._stored[one.field.name]
        return parse_text(one.field, text)

    def _check(self, values: Mapping[str, object]) -> None:
        # The model would report unparsed arguments as missing, too.
        unread = {one.field.name for one in self.inputs if one.errors}
        inputs = {one.field.name: one for one in self.inputs}
        for problem in self.job.problems(values):
            name = problem.field
            if name is None and self.job.name == GENERATE_RANDOM_NUMBER:
                name = "upper_limit"  # the model's only error about both is their order
            if name in unread:
                continue
            if name in inputs:
                inputs[name].errors.append(problem.message)
            else:
                self.errors.append(str(problem))
