"""The start: how it goes, what needs a look, what comes next. Superusers only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markupsafe import Markup

from .. import i18n
from ..shell import beat_of
from ..store import clock, dashboard, minute_counts
from ..store.minute_counts import Finished
from ..store.process_pages import open_runs
from ..texts import gettext
from . import charts
from .access import ProtectedView
from .attention import attention
from .tracebacks import message_of

_DAY = timedelta(days=1)
#: What is due within this is due soon.
_SOON = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Range:
    span: timedelta
    bucket: timedelta
    #: From one label to the next, by the reader's clock.
    step: timedelta

    def label(self, begin: datetime) -> str:
        """What stands below a bucket: where an hour, a day begins; nothing elsewhere."""
        if _steps(begin, self.step) == _steps(begin - self.bucket, self.step):
            return ""
        return i18n.weekday(begin) if self.span > _DAY else i18n.clock_time(begin)


def _steps(moment: datetime, step: timedelta) -> int:
    local = moment.astimezone(i18n.zone()).replace(tzinfo=None)
    return (local - datetime.min) // step  # noqa: DTZ901 - what clocks show has no zone


RANGES = {
    "1h": _Range(timedelta(hours=1), timedelta(minutes=1), timedelta(minutes=10)),
    "1d": _Range(_DAY, timedelta(minutes=15), timedelta(hours=3)),
    "7d": _Range(timedelta(days=7), timedelta(hours=2), _DAY),
}


class DashboardView(ProtectedView):
    """The first page."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As Flask-Admin wants it."""
        super().__init__(*arguments, **options)
        self._recent = minute_counts.RecentCounts()

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Numbers, the chart of a range (``range``; ``table`` shows its numbers), and lists."""
        chosen = request.args.get("range", "1h")
        span = RANGES.get(chosen) or RANGES["1h"]
        session, settings = self.database, self.state.settings
        moment = clock.now(session)
        length = timedelta(seconds=settings.launch_interval_seconds)
        next_slot = clock.slot_of(moment, length.total_seconds()) + length
        found = dashboard.outlook(session, moment=moment, horizon=moment + _SOON)
        beat = beat_of(self.state)
        runs = open_runs(session, moment=moment)
        readers = dashboard.readers(
            session, since=moment - timedelta(seconds=settings.lease_seconds)
        )
        finished = minute_counts.finished_runs(
            session, moment=moment, span=span.span, bucket=span.bucket, recent=self._recent
        )
        return self.render(
            "taskadmin/dashboard.html",
            found=found,
            next_slot=next_slot,
            slot_is_soon=found.with_slot and next_slot <= moment + _SOON,
            late_slots=(dashboard.late_slots(moment, beat.since, length) if found.with_slot else 0),
            moment=moment,
            runs=runs,
            workers=len({readers.workers.get(id_, id_) for id_ in runs.by_process}),
            most=dashboard.COUNTED,
            day=finished.day,
            hour=finished.hour,
            finished=finished,
            range=chosen if chosen in RANGES else "1h",
            ranges={
                "1h": gettext("1 hour"),
                "1d": gettext("1 day"),
                "7d": gettext("7 days"),
            },
            bucket=span.bucket,
            as_table="table" in request.args,
            chart=_chart(finished, span),
            attention=attention(
                session,
                moment=moment,
                beat=beat,
                found=found,
                runs=runs,
                queues=readers.queues,
            ),
            next_runs=dashboard.next_runs(session),
            failures=dashboard.last_failures(session),
            message_of=message_of,
            zone_name=i18n.zone_name() or "UTC",
        )


def _chart(finished: Finished, span: _Range) -> Markup | None:
    """The bars; None if there is nothing to draw."""
    if not any(any(bucket[1:]) for bucket in finished.buckets):
        return None
    series = [
        charts.Series(kind, label, [getattr(bucket, kind) for bucket in finished.buckets])
        for kind, label in (
            ("succeeded", gettext("succeeded")),
            ("failed", gettext("failed")),
            ("skipped", gettext("skipped")),
        )
    ]
    sums = minute_counts.total(finished)
    title = gettext(
        "Finished runs over time: %(succeeded)s succeeded, %(failed)s failed, %(skipped)s skipped",
        succeeded=i18n.grouped(sums.succeeded),
        failed=i18n.grouped(sums.failed),
        skipped=i18n.grouped(sums.skipped),
    )
    labels = [span.label(bucket.begin) for bucket in finished.buckets]
    return charts.stacked_bars(title, labels, series, number=i18n.short)
