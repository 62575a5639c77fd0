"""The metrics' names, labels and help texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..models import ProcessKind, RunState
from ..state import QueueState
from ..store.reports.metrics import RunSeries, Snapshot
from ..store.upkeep.run_totals import BOUNDS, Totals, plus
from .page_times import page_families

#: Maximum queues with metrics, in alphabetical order.
MAX_QUEUES = 100
#: Not ``job``, which Prometheus sets to the name of the scrape's configuration.
_JOB = "job_name"
_FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)
_FRESHNESS = "counted up to 80 seconds after they finished"
#: Name and help text of each counter of the launchers.
_COUNTERS = {
    "resumed": ("launches_resumed", "Launches that another launcher continued."),
    "taken_back": ("runs_taken_back", "Runs taken back from processes that were gone."),
    "republished": ("runs_republished", "Runs sent again because their message was lost."),
    "given_up": ("runs_given_up", "Runs that failed because workers died or none claimed them."),
    "missed": ("slots_missed", "Slots that weren't launched in time."),
    "pruned": ("rows_pruned", "Rows deleted because of their age or number."),
}


def exposition(snapshot: Snapshot, queues: Sequence[QueueState] | None) -> tuple[bytes, str]:
    """Return the metrics in Prometheus' text format, and its content type.

    Args:
        queues: None if the broker wasn't reached.
    """
    registry = CollectorRegistry()
    families = [*_families(snapshot), *_of_broker(queues), *page_families()]
    registry.register(_Collected(families))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collected(Collector):
    """Families that were made before."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


def _families(snapshot: Snapshot) -> Iterator[Metric]:
    yield from _of_runs(snapshot.totals)
    yield _gauge(
        "counted_age_seconds",
        "Seconds since the end of the last minute that the metrics of finished runs contain.",
        snapshot.counted_age,
    )
    for name, value in snapshot.counters.items():
        metric, text = _COUNTERS[name]
        yield CounterMetricFamily(f"taskadmin_{metric}", text, value)
    yield _gauge(
        "launcher_turn_age_seconds",
        "Seconds since the start of a launcher's last turn.",
        snapshot.turn_age,
    )
    processes = GaugeMetricFamily(
        "taskadmin_processes", "Processes with a heartbeat within the lease.", labels=["kind"]
    )
    ages = GaugeMetricFamily(
        "taskadmin_heartbeat_age_seconds",
        "Seconds since the newest heartbeat of a process of this kind.",
        labels=["kind"],
    )
    for kind in ProcessKind:
        processes.add_metric([kind], snapshot.processes.get(kind, 0))
        if kind in snapshot.heartbeat_ages:
            ages.add_metric([kind], snapshot.heartbeat_ages[kind].total_seconds())
    yield from (processes, ages)
    yield GaugeMetricFamily(
        "taskadmin_open_launches", "Launches with open runs, up to 10,000.", snapshot.open_launches
    )
    yield from _of_open_runs(snapshot)


def _of_runs(totals: Mapping[RunSeries, Totals]) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "taskadmin_runs", f"Finished runs, {_FRESHNESS}.", labels=[_JOB, "queue", "state"]
    )
    by_job: dict[str, Totals] = {}
    for job, queue in sorted({(series.job, series.queue) for series in totals}):
        for state in _FINISHED:
            one = totals.get(RunSeries(job, queue, state), Totals())
            runs.add_metric([job, queue, state], one.runs)
            by_job[job] = by_job.get(job, Totals()).combined(one, plus)
    yield runs
    yield _histogram(
        "taskadmin_run_duration_seconds",
        f"Durations of the last attempts of runs that succeeded or failed, {_FRESHNESS}.",
        by_job,
        lambda one: (one.ran, one.seconds),
    )
    yield _histogram(
        "taskadmin_run_wait_seconds",
        f"Times from queuing to the start of runs with one attempt, {_FRESHNESS}.",
        by_job,
        lambda one: (one.waited, one.waited_seconds),
    )


def _histogram(
    name: str,
    text: str,
    by_job: Mapping[str, Totals],
    part: Callable[[Totals], tuple[Sequence[int], float]],
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[_JOB])
    bounds = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]
    for job, totals in by_job.items():
        counts, seconds = part(totals)
        buckets = list(zip(bounds, accumulate(counts), strict=True))
        family.add_metric([job], buckets, seconds)
    return family


def _of_open_runs(snapshot: Snapshot) -> Iterator[Metric]:
    runs = GaugeMetricFamily(
        "taskadmin_open_runs",
        "Unfinished runs: ready, later (not due yet) or running; of the 10,000 oldest.",
        labels=["queue", "state"],
    )
    oldest = GaugeMetricFamily(
        "taskadmin_oldest_ready_run_seconds",
        "How long the oldest ready run has been waiting; 0 without one.",
        labels=["queue"],
    )
    for queue, waiting in sorted(snapshot.open_runs.items())[:MAX_QUEUES]:
        for state in ("ready", "later", "running"):
            runs.add_metric([queue, state], getattr(waiting, state))
        oldest.add_metric([queue], (waiting.oldest or timedelta(0)).total_seconds())
    yield from (runs, oldest)


def _of_broker(queues: Sequence[QueueState] | None) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "taskadmin_broker_up", "Whether the broker responded to this scrape.", queues is not None
    )
    messages = GaugeMetricFamily(
        "taskadmin_queue_messages", "Messages that wait in the broker's queue.", labels=["queue"]
    )
    consumers = GaugeMetricFamily(
        "taskadmin_queue_consumers", "Consumers of the broker's queue.", labels=["queue"]
    )
    for queue in (queues or ())[:MAX_QUEUES]:
        messages.add_metric([queue.name], queue.ready or 0)
        consumers.add_metric([queue.name], queue.consumers or 0)
    yield from (messages, consumers)


def _gauge(name: str, text: str, value: timedelta | None) -> Metric:
    family = GaugeMetricFamily(f"taskadmin_{name}", text)
    if value is not None:
        family.add_metric([], value.total_seconds())
    return family
