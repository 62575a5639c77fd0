"""What the page of workers reads from a real RabbitMQ."""

from __future__ import annotations

from typing import Any

import pytest

from fixture_types import MakeApp
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.state import QueueState, get_state

pytestmark = pytest.mark.databases("postgresql")


def test_queues_and_workers_are_asked(
    make_app: MakeApp, host_config: dict[str, Any], processes: CeleryProcesses
) -> None:
    """Queues are missing at first; then a worker reads them and replies with its name."""
    state = get_state(make_app(**host_config))
    assert state.inspect is not None
    assert state.ping is not None
    before = state.inspect()
    assert before is not None
    assert QueueState(RUNS_QUEUE, None, None) in before

    worker = processes.worker("runs", RUNS_QUEUE, "-c", "1")
    wait_for(
        lambda: QueueState(RUNS_QUEUE, 0, 1) in (state.inspect() or ()),  # type: ignore[misc]
        what=f"a consumer of {RUNS_QUEUE}",
    )
    assert {one.name for one in state.inspect() or ()} >= {LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE}
    assert state.ping().worker is not None

    worker.terminate()
    wait_for(
        lambda: QueueState(RUNS_QUEUE, 0, 0) in (state.inspect() or ()),  # type: ignore[misc]
        what=f"{RUNS_QUEUE} without a consumer",
    )
    assert state.ping().worker is None
