"""``flask taskadmin audit``."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result
from sqlalchemy.orm import Session

from fixture_types import MakeTask

Run = Callable[..., Result]


def test_the_trail_is_exported(run: Run, session: Session, make_task: MakeTask) -> None:
    """As JSON lines, and as CSV that a spreadsheet doesn't calculate."""
    task = make_task(name="=1+1")
    run("tasks", "pause", str(task.id))
    [line] = run("audit", "export").output.splitlines()
    assert json.loads(line)["action"] == "paused"
    assert "'=1+1" in run("audit", "export", "--csv").output
