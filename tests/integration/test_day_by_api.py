"""A person's whole day by API, with a real worker, launcher and beat."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from services.api.caller import Caller, problem_of
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin import service
from taskadmin.api import Api
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.service import Scope
from taskadmin.store.people import users

DICE = {"job": "generate_random_number", "arguments": {"lower_limit": 1, "upper_limit": 6}}


@pytest.mark.databases("postgresql")
def test_a_day_by_api(
    session: Session,
    make_app: MakeApp,
    host_config: dict[str, Any],
    processes: CeleryProcesses,
) -> None:
    """Create, start, watch, edit, pause, resume, retry, review, delete: all of it without a page."""
    app = make_app(**host_config)
    Api().init_app(app)
    users.create_user(session, "ana", password_hash=None, is_superuser=True)
    with app.app_context():
        secret = service.create_token("ana", name="day", scopes=[Scope.MANAGE]).secret
    ana = Caller(app.test_client(), secret)
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")

    def finished(run_id: int) -> Any:
        """Wait for a run to end."""

        def ended() -> Any:
            run: Any = ana("GET", f"/runs/{run_id}").json
            return run if run["finished_at"] else None

        return wait_for(ended, what=f"the end of run {run_id}")

    # Morning: who am I, what can run, and a new task.
    assert ana("GET", "/me").json["is_superuser"]  # type: ignore[index]
    jobs: Any = ana("GET", "/jobs").json
    assert "generate_random_number" in [job["name"] for job in jobs["items"]]
    created = ana("POST", "/tasks", {**DICE, "name": "Dice"}, headers={"Idempotency-Key": "1"})
    path, etag = created.headers["Location"], created.headers["ETag"]
    assert (
        ana("POST", "/tasks", {**DICE, "name": "Dice"}, headers={"Idempotency-Key": "1"}).headers[
            "Location"
        ]
        == path
    )

    # Start it twice by mistake: it runs once, on a worker.
    started: Any = ana("POST", f"{path}/runs", headers={"Idempotency-Key": "2"}).json
    assert ana("POST", f"{path}/runs", headers={"Idempotency-Key": "2"}).json == started
    run = finished(started["run_ids"][0])
    assert run["state"] == "succeeded" and 1 <= run["result"] <= 6
    workers: Any = ana("GET", "/workers").json
    assert {"worker", "launcher"} <= {one["kind"] for one in workers["items"]}
    queues: Any = ana("GET", "/queues").json
    assert queues["broker"] == "answers"

    # Noon: change it; somebody with an old version can't.
    change = {"arguments": {"lower_limit": 7, "upper_limit": 7}}
    edited = ana("PATCH", path, change, headers={"If-Match": etag})
    assert edited.status_code == 200
    assert problem_of(ana("PATCH", path, change, headers={"If-Match": etag}))[0] == 412
    again: Any = ana("POST", f"/runs/{run['id']}/retry").json
    assert finished(again["run_ids"][0])["result"] <= 6  # a retry has the run's own arguments
    new: Any = ana("POST", f"{path}/runs").json
    assert finished(new["run_ids"][0])["result"] == 7

    # Afternoon: pause all dice, look, and let them go on.
    everything = {"filter": {"search": "Dice"}}
    dry: Any = ana("POST", "/tasks/pause", {**everything, "dry_run": True}).json
    assert (dry["matched"], dry["changed"]) == (1, 0)
    ana("POST", "/tasks/pause", {**everything, "note": "Lunch"})
    assert ana("GET", path).json["paused"]["note"] == "Lunch"  # type: ignore[index]
    assert len(ana("GET", "/tasks?state=paused").json["items"]) == 1  # type: ignore[index]
    ana("POST", "/tasks/resume", everything)
    waiting: Any = ana("POST", f"{path}/runs").json
    ana("POST", f"/runs/{waiting['run_ids'][0]}/terminate")
    assert finished(waiting["run_ids"][0])["state"] in ("cancelled", "succeeded")

    # Evening: review, audit, and tidy up.
    (line,) = ana("GET", "/review").json["items"]  # type: ignore[index]
    assert (line["user"]["username"], line["tasks"]) == ("ana", 1)
    audit: Any = ana("GET", "/audit?limit=200").json
    actions = {entry["action"] for entry in audit["items"] if entry["actor"] == "ana"}
    assert {"created", "changed", "started", "retried", "paused", "resumed"} <= actions
    assert ana("DELETE", path, headers={"If-Match": "*"}).json["tasks"] == 1  # type: ignore[index]
    assert problem_of(ana("GET", path))[0] == 404
