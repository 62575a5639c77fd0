"""Form section for a schedule, with a preview of the next runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wtforms import Field, Form, StringField

from ...models import MissedRuns, Overlap
from ...schedules import InvalidSchedule, Occurrence, ScheduleKind, in_words, preview
from ...schedules.words import duration_in_words
from ...schedules.zones import get_zone, zone_names
from ...store.tasks.schedules import ScheduleInput, schedule_of
from ...translation.i18n import lazy_gettext
from ...web.choice_field import ChoiceField
from .schedule_texts import UNIT_LABELS, read_moment, read_seconds, read_whole, wall_text, with_unit

#: Number of runs in the preview.
_PREVIEWED_RUNS = 5

_NATIVE_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
#: Fields of a schedule that have another name in the form.
_ASKED_AS = {"every_seconds": "every", "grace_seconds": "grace", "jitter_seconds": "jitter"}


@dataclass(frozen=True, slots=True)
class Preview:
    """The next runs of a schedule.

    Attributes:
        words: The schedule as part of a sentence.
        runs: The next due times.
        jitter: The maximum delay after each due time, in words.
        ends: Whether the schedule ends after these runs.
    """

    words: str
    runs: list[Occurrence]
    zone: str
    jitter: str | None = None
    ends: bool = False


class MomentField(StringField):
    """A local date and time."""

    @property
    def is_native(self) -> bool:
        """Whether a browser's native input accepts the value; it shows an invalid one as empty."""
        return bool(_NATIVE_DATETIME.fullmatch(self.data or ""))


def _text(label: object, help_: object = "", **render: object) -> StringField:
    return StringField(
        label,
        filters=[lambda text: (text or "").strip()],
        description=help_,
        render_kw={"autocomplete": "off", "spellcheck": "false", **render},
    )


def _moment(label: Any, help_: Any) -> MomentField:
    return MomentField(
        label,
        filters=[lambda text: (text or "").strip().replace(" ", "T")],
        description=help_,
        render_kw={"autocomplete": "off"},
    )


def _unit(label: object) -> ChoiceField:
    """Return the field for the unit of a number; *label* is for screen readers."""
    return ChoiceField(label, options=UNIT_LABELS, render_kw={"aria-label": label})


class ScheduleForm(Form):
    """The schedule of a task; only the fields of the chosen kind count.

    Args:
        formdata: What was typed; missing fields keep their stored value.
        stored: The task's schedule.
        runs: How many runs count towards the stored maximum.
    """

    kind = ChoiceField(
        lazy_gettext("When"),
        options={
            ScheduleKind.SLOT.value: lazy_gettext("Common slot"),
            ScheduleKind.INTERVAL.value: lazy_gettext("Every …"),
            ScheduleKind.CRON.value: lazy_gettext("Cron expression"),
            ScheduleKind.ONCE.value: lazy_gettext("Once"),
        },
    )
    every = _text(lazy_gettext("Every"), inputmode="decimal")
    every_unit = _unit(lazy_gettext("Unit of the interval"))
    cron = _text(
        lazy_gettext("Cron expression"),
        lazy_gettext(
            "Minute, hour, day of month, month, day of week. Example: 30 2 * * * runs daily at"
            " 02:30."
        ),
        maxlength=200,
    )
    once_at = _moment(
        lazy_gettext("Date and time"), lazy_gettext("Local time in the time zone of the schedule.")
    )
    zone = _text(
        lazy_gettext("Time zone"),
        lazy_gettext("IANA name, such as Europe/Berlin."),
        list="zones",
        maxlength=64,
    )
    starts_at = _moment(lazy_gettext("Start"), lazy_gettext("No runs are due before this time."))
    ends_at = _moment(lazy_gettext("End"), lazy_gettext("No runs are due after this time."))
    max_runs = _text(
        lazy_gettext("Maximum runs"),
        lazy_gettext("The schedule ends after this many runs."),
        inputmode="numeric",
    )
    missed_runs = ChoiceField(
        lazy_gettext("Missed runs"),
        options={
            MissedRuns.ONCE.value: lazy_gettext("Run only the latest one late"),
            MissedRuns.ALL.value: lazy_gettext("Run all of them late"),
            MissedRuns.SKIP.value: lazy_gettext("Only record them"),
        },
        description=lazy_gettext(
            "What to do with runs that could not start within the grace period."
        ),
    )
    grace = _text(
        lazy_gettext("Grace period"),
        lazy_gettext("A run that is late by no more than this doesn't count as missed."),
        inputmode="decimal",
    )
    grace_unit = _unit(lazy_gettext("Unit of the grace period"))
    overlap = ChoiceField(
        lazy_gettext("Overlap"),
        options={
            Overlap.ALLOW.value: lazy_gettext("Start the next run anyway"),
            Overlap.SKIP.value: lazy_gettext("Skip the next run"),
            Overlap.QUEUE_ONE.value: lazy_gettext("Let one run wait"),
        },
        description=lazy_gettext(
            "What to do when a run is due while an earlier one is unfinished."
        ),
    )
    jitter = _text(
        lazy_gettext("Jitter"),
        lazy_gettext("Delays each run by a random time up to this length."),
        inputmode="decimal",
    )
    jitter_unit = _unit(lazy_gettext("Unit of the jitter"))
    pause_after = _text(
        lazy_gettext("Pause after failures"),
        lazy_gettext("Number of failures in a row. Leave empty to never pause."),
        inputmode="numeric",
    )

    def __init__(
        self, formdata: Any = None, *, stored: ScheduleInput | None = None, runs: int = 0
    ) -> None:
        self._stored = stored or ScheduleInput()
        self._runs = runs
        super().__init__(formdata, data=_texts(self._stored))
        self.wanted: ScheduleInput | None = None
        self._is_read = False

    @property
    def schedule(self) -> ScheduleInput | None:
        """The entered schedule; None for the common slot with default policies."""
        return None if self.wanted is None or self.wanted.is_plain else self.wanted

    @property
    def bounds_open(self) -> bool:
        """Whether to unfold start, end and maximum: one of them is set."""
        return any(
            self[name].errors or self[name].data for name in ("starts_at", "ends_at", "max_runs")
        )

    @property
    def policies_open(self) -> bool:
        """Whether to unfold the policies: one differs from its default or has an error."""
        plain = _texts(ScheduleInput())
        names = ("missed_runs", "grace", "grace_unit", "overlap", "jitter", "pause_after")
        return any(self[name].errors or self[name].data != plain[name] for name in names)

    def read(self, *, now: datetime, slot_interval_seconds: float) -> bool:
        """Validate the form and set ``wanted``; errors go to their fields.

        An unchanged schedule isn't checked for having ended.

        Args:
            now: The database's time.
        """
        self.wanted, self._is_read = None, True
        if not super().validate():
            return False
        values = self._values()
        if self.errors:
            return False
        wanted = ScheduleInput(**values)
        try:
            changed = wanted != self._stored
            self.wanted = wanted.checked(
                now=now if changed else None, slot_interval_seconds=slot_interval_seconds
            )
        except InvalidSchedule as error:
            self.refuse(error)
        return self.wanted is not None

    def preview(self, *, now: datetime, slot_interval_seconds: float) -> Preview | None:
        """Return the next runs; None if the schedule is invalid."""
        wanted = self.wanted if self._is_read else self._stored
        if wanted is None:
            return None
        schedule = schedule_of(wanted)
        count = _PREVIEWED_RUNS
        if wanted.max_runs is not None:
            count = max(min(count, wanted.max_runs - self._runs), 0)
        try:
            runs = (
                preview(schedule, now, n=count, slot_interval_seconds=slot_interval_seconds)
                if count
                else []
            )
            words = in_words(schedule, slot_interval_seconds)
            jitter = timedelta(seconds=wanted.jitter_seconds)
        except (InvalidSchedule, OverflowError):
            return None  # its zone no longer exists, or another program wrote it
        jitter_words = duration_in_words(jitter) if jitter else None
        return Preview(words, runs, wanted.zone, jitter_words, len(runs) < _PREVIEWED_RUNS)

    def _values(self) -> dict[str, Any]:
        kind = ScheduleKind(self.kind.data)
        values: dict[str, Any] = {"kind": kind, "zone": self.zone.data}
        self._put(
            values, "every_seconds", lambda: self._seconds("every"), kind is ScheduleKind.INTERVAL
        )
        self._put(
            values, "cron", lambda: " ".join(self.cron.data.split()), kind is ScheduleKind.CRON
        )
        self._put(values, "zone", lambda: get_zone(self.zone.data).key)
        self._put(values, "once_at", lambda: self._moment("once_at"), kind is ScheduleKind.ONCE)
        many = kind is not ScheduleKind.ONCE
        self._put(values, "starts_at", lambda: self._moment("starts_at"), many)
        self._put(values, "ends_at", lambda: self._moment("ends_at"), many)
        self._put(values, "max_runs", lambda: read_whole("max_runs", self.max_runs.data), many)
        values["missed_runs"] = MissedRuns(self.missed_runs.data)
        values["overlap"] = Overlap(self.overlap.data)
        self._put(values, "grace_seconds", lambda: self._seconds("grace") or 0)
        self._put(values, "jitter_seconds", lambda: self._seconds("jitter") or 0)
        self._put(values, "pause_after", lambda: read_whole("pause_after", self.pause_after.data))
        return values

    def _seconds(self, name: str) -> int | None:
        return read_seconds(name, self[name].data, int(self[f"{name}_unit"].data))

    def _put(
        self, values: dict[str, object], name: str, read: Callable[[], object], wanted: bool = True
    ) -> None:
        if not wanted:
            return
        try:
            values[name] = read()
        except InvalidSchedule as error:
            self.refuse(error)

    def refuse(self, error: InvalidSchedule) -> None:
        """Show an error at its field."""
        field: Field = self[_ASKED_AS.get(error.field, error.field)]
        field.errors = [*field.errors, error.message]

    def _moment(self, name: str) -> datetime | None:
        """Parse the entered time; a stored moment shown unchanged stays the same.

        Otherwise the second of two equal local times would become the first, and fractions of a
        second would be lost.
        """
        stored, zone = getattr(self._stored, name), self.zone.data
        text = self[name].data
        is_left = zone == self._stored.zone and text == wall_text(stored, zone)
        return stored if stored is not None and is_left else read_moment(name, text, zone)


def zones() -> list[str]:
    """Return the names of all time zones."""
    return sorted(zone_names())


def _texts(stored: ScheduleInput) -> dict[str, Any]:
    every, every_unit = with_unit(stored.every_seconds)
    grace, grace_unit = with_unit(stored.grace_seconds)
    jitter, jitter_unit = with_unit(stored.jitter_seconds)
    return {
        "kind": stored.kind.value,
        "every": every,
        "every_unit": every_unit,
        "cron": stored.cron or "",
        "zone": stored.zone,
        "once_at": wall_text(stored.once_at, stored.zone),
        "starts_at": wall_text(stored.starts_at, stored.zone),
        "ends_at": wall_text(stored.ends_at, stored.zone),
        "max_runs": "" if stored.max_runs is None else str(stored.max_runs),
        "missed_runs": stored.missed_runs.value,
        "grace": grace,
        "grace_unit": grace_unit,
        "overlap": stored.overlap.value,
        "jitter": jitter,
        "jitter_unit": jitter_unit,
        "pause_after": "" if stored.pause_after is None else str(stored.pause_after),
    }
