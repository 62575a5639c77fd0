"""The metrics' names, labels and values."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from taskadmin.metrics.families import MAX_QUEUES, exposition
from taskadmin.models import ProcessKind, RunState
from taskadmin.state import QueueState
from taskadmin.store.reports.metrics import COUNTERS, RunSeries, Snapshot
from taskadmin.store.reports.process_pages import Waiting
from taskadmin.store.upkeep.run_totals import BOUNDS, Totals

DOCUMENT = Path(__file__).parents[3] / "packages/taskadmin/docs/metrics.md"
SECOND = timedelta(seconds=1)
NO_RUNS = [0] * (len(BOUNDS) + 1)


def snapshot(**given: Any) -> Snapshot:
    """Return a ledger without rows, but for what is given."""
    mappings = ("totals", "counters", "processes", "heartbeat_ages", "open_runs")
    empty: dict[str, Any] = {name: {} for name in mappings} | {"open_launches": 0}
    return Snapshot(**(empty | {"counted_age": None, "turn_age": None} | given))


def samples(
    given: Snapshot, queues: list[QueueState] | None = None
) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels, as Prometheus would read them."""
    text, _ = exposition(given, queues)
    return {
        (sample.name.removeprefix("taskadmin_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_finished_runs_are_counters_and_histograms() -> None:
    """All states of a job are there from the start, so that a first failure is an increase."""
    first = Totals(3, 6.0, 9.0, [1, 2, *NO_RUNS[2:]], [*NO_RUNS[:-1], 3])
    found = samples(
        snapshot(
            totals={
                RunSeries("j", "q", RunState.SUCCEEDED): first,
                RunSeries("j", "r", RunState.FAILED): first._replace(runs=2),
            }
        )
    )

    assert found["runs_total", "j", "q", "succeeded"] == 3
    assert found["runs_total", "j", "q", "failed"] == 0
    assert found["runs_total", "j", "r", "failed"] == 2
    assert found["run_duration_seconds_bucket", "j", "0.01"] == 2
    assert found["run_duration_seconds_bucket", "j", "0.05"] == 6
    assert found["run_duration_seconds_bucket", "j", "+Inf"] == 6
    assert found["run_duration_seconds_count", "j"] == 6
    assert found["run_duration_seconds_sum", "j"] == 12
    assert found["run_wait_seconds_bucket", "j", "3600.0"] == 0
    assert found["run_wait_seconds_bucket", "j", "+Inf"] == 6
    assert found["run_wait_seconds_sum", "j"] == 18


def test_processes_of_every_kind_are_there() -> None:
    """So that an alert can tell that there is none."""
    found = samples(
        snapshot(
            processes={ProcessKind.WORKER: 2},
            heartbeat_ages={ProcessKind.WORKER: SECOND},
            turn_age=4 * SECOND,
        )
    )

    assert {found["processes", kind] for kind in ("beat", "launcher", "child")} == {0}
    assert found["processes", "worker"] == 2
    assert found["heartbeat_age_seconds", "worker"] == 1
    assert ("heartbeat_age_seconds", "beat") not in found
    assert found["launcher_turn_age_seconds",] == 4
    assert ("counted_age_seconds",) not in found


def test_counters_of_launchers_have_totals() -> None:
    """Of what the reconciler did."""
    found = samples(snapshot(counters={"taken_back": 3, "missed": 5}))

    assert found["runs_taken_back_total",] == 3
    assert found["slots_missed_total",] == 5


def test_open_runs_are_by_queue() -> None:
    """With the age of the oldest."""
    found = samples(
        snapshot(open_runs={"q": Waiting(1, 2, 3, 60 * SECOND), "r": Waiting(0, 0, 0, None)})
    )

    assert [found["open_runs", "q", state] for state in ("ready", "later", "running")] == [1, 2, 3]
    assert found["oldest_ready_run_seconds", "q"] == 60
    assert found["oldest_ready_run_seconds", "r"] == 0


def test_queues_are_those_of_the_broker() -> None:
    """One that doesn't exist has no messages and no consumers."""
    found = samples(snapshot(), [QueueState("q", 5, 2), QueueState("gone", None, None)])

    assert found["broker_up",] == 1
    assert (found["queue_messages", "q"], found["queue_consumers", "q"]) == (5, 2)
    assert (found["queue_messages", "gone"], found["queue_consumers", "gone"]) == (0, 0)
    without = samples(snapshot())
    assert without["broker_up",] == 0
    assert ("queue_messages", "q") not in without


def test_the_number_of_queues_is_bounded() -> None:
    """Also if hosts name them after customers."""
    many = [f"q{number}" for number in range(MAX_QUEUES + 50)]
    found = samples(
        snapshot(open_runs=dict.fromkeys(many, Waiting(1, 0, 0, None))),
        [QueueState(name, 1, 1) for name in many],
    )

    assert sum(name == "open_runs" for name, *_ in found) == 3 * MAX_QUEUES
    assert sum(name == "queue_messages" for name, *_ in found) == MAX_QUEUES


def test_the_documentation_has_every_metric() -> None:
    """With its type and labels."""
    everything = snapshot(
        totals={RunSeries("j", "q", RunState.FAILED): Totals(1)},
        counters=dict.fromkeys(COUNTERS, 0),
        heartbeat_ages={ProcessKind.BEAT: SECOND},
        open_runs={"q": Waiting(1, 0, 0, None)},
        turn_age=SECOND,
        counted_age=SECOND,
    )
    text, _ = exposition(everything, [QueueState("q", 1, 1)])
    families = {
        f"{family.name}{'_total' * (family.type == 'counter')}": (
            family.type,
            ", ".join(label for label in family.samples[0].labels if label != "le"),
        )
        for family in text_string_to_metric_families(text.decode())
    }

    # test_page_times.py has those of processes.
    row = r"^\| `(taskadmin_(?!page|database)\w+)` \| (\w+) \| ([\w, ]*?) ?\|"
    documented = re.findall(row, DOCUMENT.read_text(), re.MULTILINE)
    assert {name: (kind, labels) for name, kind, labels in documented} == families


def test_names_are_escaped() -> None:
    """Jobs and queues may have any name."""
    odd = 'a"b\\c\nd{}'
    found = samples(snapshot(totals={RunSeries(odd, "ü", RunState.FAILED): Totals(1)}))

    assert found["runs_total", odd, "ü", "failed"] == 1
