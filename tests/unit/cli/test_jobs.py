"""``flask taskadmin jobs``."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from fixture_types import MakeTask

Run = Callable[..., Result]


def test_jobs_with_their_arguments(run: Run, make_task: MakeTask) -> None:
    """As text and as JSON."""
    make_task()
    assert "mail" in run("jobs", "list").output
    listed = {one["name"]: one for one in json.loads(run("jobs", "list", "--json").output)}
    assert listed["generate_random_number"]["tasks"] == 1
    arguments = {one["name"]: one for one in listed["mail"]["arguments"]}
    assert arguments["password"]["masked"]
    assert (arguments["copies"]["kind"], arguments["copies"]["default"]) == ("integer", 1)
