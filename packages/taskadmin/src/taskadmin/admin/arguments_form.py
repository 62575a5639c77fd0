"""The part of a form that asks for a job's arguments."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..jobs import Job
from ..jobs.fields import ArgumentField, fields_of, text_of_choice
from ..jobs.texts import USE_DEFAULT, parse_text, show_text
from ..models import GENERATE_RANDOM_NUMBER
from ..texts import gettext

#: What a browser's own inputs take as their value; anything else they would show as empty.
_NATIVE = {
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "time": re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII),
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII),
}
_TYPES = {"date": "date", "time": "time", "datetime": "datetime-local", "url": "url"}
_MODES = {"number": "decimal", "integer": "numeric"}


@dataclass(slots=True)
class ArgumentInput:
    """One argument in the form.

    Attributes:
        name: The input's name and id.
        text: What it shows; never a secret.
        kept: There is a stored secret that an empty input keeps.
        label: The host's own, but for the job that comes with taskadmin.
    """

    field: ArgumentField
    name: str
    text: str = ""
    kept: bool = False
    label: str = ""
    errors: list[str] = dataclasses.field(default_factory=list)

    @property
    def control(self) -> str:
        """Which kind of element asks for it: checkbox, select, textarea or input."""
        if self.field.kind in ("switch", "choice"):
            return "checkbox" if self.field.kind == "switch" else "select"
        # A password's input would drop the line breaks of a key.
        return "textarea" if self.field.content in ("multiline", "json") else "input"

    @property
    def type(self) -> str:
        """The type of its input."""
        if self.field.kind == "secret":
            return "password"
        native = _NATIVE.get(self.field.kind)
        if native is not None and self.text and not native.fullmatch(self.text):
            return "text"
        return _TYPES.get(self.field.kind, "text")

    @property
    def mode(self) -> str | None:
        """Which keys a phone shows."""
        return _MODES.get(self.field.kind)

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """Texts and labels, and which is chosen; the first is none of them if that is possible."""
        texts = [
            # The third position of a switch; every other label is the host's.
            (text_of_choice(value), gettext(label) if isinstance(value, bool) else label)
            for value, label in self.field.choices
        ]
        if self.field.optional or self.text not in dict(texts):
            texts.insert(0, ("", "–" if self.field.optional else gettext("Choose one")))
        return [(text, label, text == self.text) for text, label in texts]

    @property
    def is_required(self) -> bool:
        """Whether it can't be left empty."""
        return self.field.required and not self.field.optional and not self.kept

    @property
    def is_optional(self) -> bool:
        """Whether to say that it may be left empty; a default that is shown says it already."""
        return not (self.is_required or self.kept) and self.field.default is None

    @property
    def may_be_removed(self) -> bool:
        """Whether a stored secret can be taken away."""
        return self.kept and (self.field.optional or not self.field.required)

    @property
    def help(self) -> str:
        """What is said below it."""
        parts = [self.field.help, self.field.limits]
        if self.field.kind == "datetime" and not self.field.naive:
            parts.append(gettext("In UTC."))
        if self.field.kind == "duration":
            parts.append(gettext("Such as 90 s, 1 h 30 min or PT90S."))
        if self.field.kind == "json":
            parts.append(gettext("As JSON."))
        if self.kept:
            parts.append(gettext("A value is stored and never shown: leave this empty to keep it."))
        return " ".join(part.rstrip() for part in parts if part)


class ArgumentsForm:
    """The arguments of a job: what is stored, or what was typed.

    Args:
        stored: The task's arguments; none for a new task.
        masked: Names of stored arguments that were secrets when they were stored, and stay so.
        typed: What the browser sent; None shows what is stored, or the defaults.
    """

    def __init__(
        self,
        job: Job,
        *,
        stored: Mapping[str, Any] | None = None,
        masked: tuple[str, ...] = (),
        typed: Mapping[str, str] | None = None,
    ) -> None:
        self.job = job
        self.errors: list[str] = []
        #: The arguments as they are stored, after ``validate``.
        self.values: dict[str, Any] = {}
        self._stored = dict(stored or {})
        self._typed = typed
        self.inputs = [self._input(one, masked) for one in fields_of(job)]
        known = {one.field.name for one in self.inputs}
        #: Stored arguments that the job doesn't take any more.
        self.unknown = sorted(self._stored.keys() - known)

    @property
    def masked(self) -> list[str]:
        """Names of the arguments that are never shown."""
        return [one.field.name for one in self.inputs if one.field.kind == "secret"]

    @property
    def has_errors(self) -> bool:
        """Whether anything is said about them."""
        return bool(self.errors) or any(one.errors for one in self.inputs)

    def validate(self) -> bool:
        """Read each text, then let the job's own model look at all of them."""
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
        """Say what is wrong with the stored arguments, which the job's model may have outgrown."""
        known = {name: value for name, value in self._stored.items() if name not in self.unknown}
        if self._stored:
            self._check(known)

    def forget_secrets(self) -> None:
        """Say of each secret that was typed, and isn't sent back, that it has to be typed again."""
        for one in self.inputs:
            if one.field.kind == "secret" and self._typed and self._typed.get(one.name):
                one.errors.append(gettext("Enter this again: what you typed isn't sent back."))

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
                found.text = show_text(one, self._stored[one.name])
            else:
                found.text = show_text(one, one.default)
        return found

    def _read(self, one: ArgumentInput) -> Any:
        typed = self._typed or {}
        text = typed.get(one.name, "")
        if one.kept and not text and not (one.may_be_removed and typed.get(f"{one.name}-remove")):
            return self._stored[one.field.name]
        return parse_text(one.field, text)

    def _check(self, values: Mapping[str, Any]) -> None:
        # Of what couldn't be read, the model only knows that it is missing.
        unread = {one.field.name for one in self.inputs if one.errors}
        inputs = {one.field.name: one for one in self.inputs}
        for problem in self.job.problems(values):
            name = problem.field
            if name is None and self.job.name == GENERATE_RANDOM_NUMBER:
                name = "upper_limit"  # the order of the two is all that its model says of both
            if name in unread:
                continue
            if name in inputs:
                inputs[name].errors.append(problem.message)
            else:
                self.errors.append(str(problem))
