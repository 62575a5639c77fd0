"""The part of a form that asks when a task is due, and shows what follows from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wtforms import Field, Form, StringField

from ..i18n import lazy_gettext
from ..models import MissedRuns, Overlap
from ..schedules import InvalidSchedule, Occurrence, Schedule, ScheduleKind, in_words, preview
from ..schedules.words import duration_in_words
from ..schedules.zones import get_zone, zone_names
from ..store.schedules import ScheduleInput
from .choice_field import ChoiceField
from .schedule_texts import UNITS, read_moment, read_seconds, read_whole, wall_text, with_unit

#: Due times in the preview.
_PREVIEWED = 5

_NATIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
#: Fields of a schedule that are asked for under another name.
_ASKED_AS = {"every_s": "every", "grace_s": "grace", "jitter_s": "jitter"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule means.

    Attributes:
        words: As the part of a sentence.
        runs: The next due times.
        jitter: The longest wait after each of them, in words.
        ends: These are all that there will be.
    """

    words: str
    runs: list[Occurrence]
    zone: str
    jitter: str | None = None
    ends: bool = False


class MomentField(StringField):
    """A date and time as clocks show it."""

    @property
    def is_native(self) -> bool:
        """Whether a browser's own input shows it: one that it can't read is shown as empty."""
        return bool(_NATIVE.fullmatch(self.data or ""))


def _text(label: Any, help_: Any = "", **render: Any) -> StringField:
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


def _unit(label: Any) -> ChoiceField:
    """The unit of a number; *label* is read aloud only."""
    return ChoiceField(label, options=UNITS, render_kw={"aria-label": label})


class ScheduleForm(Form):
    """When a task is due; only the fields of the chosen kind are looked at.

    Args:
        formdata: What was typed; a field that isn't in it stays as it is stored.
        stored: The task's schedule.
        runs: How many runs of the stored maximum there were.
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
    every_unit = _unit(lazy_gettext("Unit: every"))
    cron = _text(
        lazy_gettext("Cron expression"),
        lazy_gettext(
            "Minute, hour, day of the month, month, day of the week: 30 2 * * * is daily at 02:30."
        ),
        maxlength=200,
    )
    once_at = _moment(
        lazy_gettext("Date and time"), lazy_gettext("As clocks show it in the time zone.")
    )
    zone = _text(
        lazy_gettext("Time zone"),
        lazy_gettext("An IANA name, such as Europe/Berlin."),
        list="zones",
        maxlength=64,
    )
    starts_at = _moment(lazy_gettext("Start"), lazy_gettext("Nothing is due before."))
    ends_at = _moment(lazy_gettext("End"), lazy_gettext("Nothing is due after."))
    max_runs = _text(
        lazy_gettext("Most runs"), lazy_gettext("Then the schedule ends."), inputmode="numeric"
    )
    missed_runs = ChoiceField(
        lazy_gettext("Missed runs"),
        options={
            MissedRuns.ONCE.value: lazy_gettext("Run the newest one late"),
            MissedRuns.ALL.value: lazy_gettext("Run each of them late"),
            MissedRuns.SKIP.value: lazy_gettext("Only record them"),
        },
        description=lazy_gettext("When nothing could be started for longer than the grace."),
    )
    grace = _text(
        lazy_gettext("Grace"),
        lazy_gettext("What is late by no more than this isn't missed."),
        inputmode="decimal",
    )
    grace_unit = _unit(lazy_gettext("Unit: grace"))
    overlap = ChoiceField(
        lazy_gettext("Overlap"),
        options={
            Overlap.ALLOW.value: lazy_gettext("Start the next run all the same"),
            Overlap.SKIP.value: lazy_gettext("Skip the next run"),
            Overlap.QUEUE_ONE.value: lazy_gettext("Let one run wait"),
        },
        description=lazy_gettext("When a run is due and an earlier one isn't finished."),
    )
    jitter = _text(
        lazy_gettext("Jitter"),
        lazy_gettext("Each run waits a random part of this after its due time."),
        inputmode="decimal",
    )
    jitter_unit = _unit(lazy_gettext("Unit: jitter"))
    pause_after = _text(
        lazy_gettext("Pause after failures"),
        lazy_gettext("So many in a row; empty for never."),
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
        """What was entered; None for the common slot without any policy."""
        return None if self.wanted is None or self.wanted.is_plain else self.wanted

    @property
    def bounds_open(self) -> bool:
        """Whether to show start, end and maximum: there is something in them."""
        return any(
            self[name].errors or self[name].data for name in ("starts_at", "ends_at", "max_runs")
        )

    @property
    def policies_open(self) -> bool:
        """Whether to show the policies: some differ from the defaults, or have a message."""
        plain = _texts(ScheduleInput())
        names = ("missed_runs", "grace", "grace_unit", "overlap", "jitter", "pause_after")
        return any(self[name].errors or self[name].data != plain[name] for name in names)

    def read(self, *, now: datetime, slot_interval_s: float) -> bool:
        """Check it, with messages at the fields; afterwards ``wanted`` is there.

        A schedule that stays as it is stored is not asked whether it is over.

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
                now=now if changed else None, slot_interval_s=slot_interval_s
            )
        except InvalidSchedule as error:
            self._refuse(error)
        return self.wanted is not None

    def preview(self, *, now: datetime, slot_interval_s: float) -> Preview | None:
        """What it means; None if it can't be read."""
        wanted = self.wanted if self._is_read else self._stored
        if wanted is None:
            return None
        schedule = Schedule(
            kind=wanted.kind,
            every_s=wanted.every_s,
            cron=wanted.cron,
            zone=wanted.zone,
            once_at=wanted.once_at,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
        )
        count = _PREVIEWED
        if wanted.max_runs is not None:
            count = max(min(count, wanted.max_runs - self._runs), 0)
        try:
            runs = preview(schedule, now, n=count, slot_interval_s=slot_interval_s) if count else []
            words = in_words(schedule, slot_interval_s)
        except InvalidSchedule:  # stored long ago: an expression or a zone that is gone
            return None
        jitter = duration_in_words(timedelta(seconds=wanted.jitter_s)) if wanted.jitter_s else None
        return Preview(words, runs, wanted.zone, jitter, len(runs) < _PREVIEWED)

    def _values(self) -> dict[str, Any]:
        kind = ScheduleKind(self.kind.data)
        values: dict[str, Any] = {"kind": kind, "zone": self.zone.data}
        self._put(values, "every_s", lambda: self._seconds("every"), kind is ScheduleKind.INTERVAL)
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
        self._put(values, "grace_s", lambda: self._seconds("grace") or 0)
        self._put(values, "jitter_s", lambda: self._seconds("jitter") or 0)
        self._put(values, "pause_after", lambda: read_whole("pause_after", self.pause_after.data))
        return values

    def _seconds(self, name: str) -> int | None:
        return read_seconds(name, self[name].data, int(self[f"{name}_unit"].data))

    def _put(
        self, values: dict[str, Any], name: str, read: Callable[[], Any], wanted: bool = True
    ) -> None:
        if not wanted:
            return
        try:
            values[name] = read()
        except InvalidSchedule as error:
            self._refuse(error)

    def _refuse(self, error: InvalidSchedule) -> None:
        field: Field = self[_ASKED_AS.get(error.field, error.field)]
        field.errors = [*field.errors, error.message]

    def _moment(self, name: str) -> datetime | None:
        """What was typed; a stored moment that is left as it is shown stays the same.

        Otherwise the second of two hours would become the first, and fractions would be lost.
        """
        stored, zone = getattr(self._stored, name), self.zone.data
        text = self[name].data
        is_left = zone == self._stored.zone and text == wall_text(stored, zone)
        return stored if stored is not None and is_left else read_moment(name, text, zone)


def zones() -> list[str]:
    """The names of time zones that are offered."""
    return sorted(zone_names())


def _texts(stored: ScheduleInput) -> dict[str, Any]:
    every, every_unit = with_unit(stored.every_s)
    grace, grace_unit = with_unit(stored.grace_s)
    jitter, jitter_unit = with_unit(stored.jitter_s)
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
