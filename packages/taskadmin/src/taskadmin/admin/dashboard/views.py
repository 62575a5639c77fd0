"""Dashboard page. Superusers only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markupsafe import Markup

from ...store.database import clock
from ...store.database.counting import MAX_COUNTED
from ...store.reports import dashboard
from ...store.reports.attention.failing_tasks import last_failures
from ...store.reports.process_pages import open_runs
from ...store.upkeep import minute_counts
from ...store.upkeep.minute_counts import Bucket, FinishedHistogram
from ...translation import i18n
from ...translation.texts import gettext
from ...values.tracebacks import message_of
from ...web.layout import beat_of
from ..drawing import charts
from ..flask_admin.access import ProtectedView
from ..flask_admin.fragment_cache import cache_fragments
from .attention import attention

_DAY = timedelta(days=1)
#: Tasks due within this count as due soon.
_DUE_SOON = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Range:
    span: timedelta
    bucket: timedelta
    #: Distance between two labels, in local time.
    step: timedelta

    def label(self, begin: datetime) -> str:
        """Return the label below a bucket in which a step begins, else ""."""
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
    """The dashboard."""

    def __init__(self, *arguments: object, **options: object) -> None:
        """Register the view under Flask-Admin's index endpoint."""
        super().__init__(*arguments, **options)
        self._recent = minute_counts.RecentCounts()

    @expose("/")
    @cache_fragments
    def index_view(self) -> ResponseReturnValue:
        """Show counters, the chart of a range (``range``; ``table`` for a table) and lists."""
        chosen = request.args.get("range", "1h")
        span = RANGES.get(chosen) or RANGES["1h"]
        session, settings = self.database, self.state.settings
        beat = beat_of(self.state)
        moment = beat.moment
        length = timedelta(seconds=settings.launch_interval_seconds)
        next_slot = clock.slot_of(moment, length.total_seconds()) + length
        found = dashboard.outlook(session, moment=moment, horizon=moment + _DUE_SOON)
        runs = open_runs(session, moment=moment)
        readers = dashboard.readers(
            session, since=moment - timedelta(seconds=settings.lease_seconds)
        )
        finished = minute_counts.finished_runs(
            session, moment=moment, span=span.span, bucket=span.bucket, recent=self._recent
        )
        return self.render(
            "taskadmin/dashboard/dashboard.html",
            found=found,
            next_slot=next_slot,
            slot_is_soon=found.with_slot and next_slot <= moment + _DUE_SOON,
            late_slots=(dashboard.late_slots(moment, beat.since, length) if found.with_slot else 0),
            moment=moment,
            runs=runs,
            workers=len({readers.workers.get(process, process) for process in runs.by_process}),
            most=MAX_COUNTED,
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
            failures=last_failures(session),
            message_of=message_of,
            zone_name=i18n.zone_name(),
        )


def _chart(finished: FinishedHistogram, span: _Range) -> Markup | None:
    """Return the chart, or None if there is nothing to draw."""
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
    spots = [_spot(bucket, bucket.begin + span.bucket) for bucket in finished.buckets]
    return charts.stacked_bars(title, labels, series, number=i18n.short, spots=spots)


def _spot(bucket: Bucket, end: datetime) -> charts.Spot | None:
    """Return the link to a bar's runs."""
    if not any(bucket[1:]):
        return None
    times = f"{bucket.begin:%Y-%m-%dT%H:%M:%SZ}..{end:%Y-%m-%dT%H:%M:%SZ}"
    text = gettext(
        "%(time)s: %(succeeded)s succeeded, %(failed)s failed, %(skipped)s skipped",
        time=i18n.absolute(bucket.begin),
        succeeded=i18n.grouped(bucket.succeeded),
        failed=i18n.grouped(bucket.failed),
        skipped=i18n.grouped(bucket.skipped),
    )
    return charts.Spot(url_for("taskadmin_runs.index_view", between=times), text)
