"""GitHub's workflows run the same sessions as nox."""

from __future__ import annotations

import re
import runpy
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
NOXFILE = (ROOT / "noxfile.py").read_text()
SESSIONS = set(re.findall(r"^@nox\.session.*\n(?:@.*\n)?def (\w+)", NOXFILE, re.MULTILINE))
#: Names and values of the module.
TESTED = runpy.run_path(str(ROOT / "tested_versions.py"))
#: Sessions that check nothing, or things that change outside of the repository.
NO_CHECKS = {"dev", "bench", "requirements", "audit"}


def workflow(name: str) -> dict[str, Any]:
    """Return a parsed workflow."""
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def pythons_of_workflow() -> dict[str, str]:
    """Return the Python of each session in the matrices."""
    found = {}
    for job in workflow("tests.yml")["jobs"].values():
        matrix = job["strategy"]["matrix"]
        alone = ({"session": session} for session in matrix["session"])
        for one in chain(alone, matrix.get("include", ())):
            found[one["session"].partition(" ")[0]] = one.get("python", "3.11")
    return found


def test_every_session_is_run() -> None:
    """With all versions of Python, PostgreSQL and packages."""
    expected = dict.fromkeys(SESSIONS - NO_CHECKS - {"versions"}, "3.11")
    assert "tests" in expected
    versions = {f"versions({one.id})": one.python for one in TESTED["VERSIONS"]}
    assert pythons_of_workflow() == expected | versions


def test_versions_have_tests() -> None:
    """With several processes, pytest runs no tests, without an error, if a path is missing."""
    chosen = {one.id: one.short for one in TESTED["VERSIONS"]}
    chosen |= {name: TESTED["close_to"](name) for name in TESTED["lowest"]()}
    assert {"lowest", "postgresql14", "Flask", "zxcvbn"} <= chosen.keys()
    assert [name for name, paths in chosen.items() if not paths] == []
    paths = set(chain.from_iterable(chosen.values()))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_workflows_run_all_sessions_of_ci() -> None:
    """All of its sessions exist."""
    script = (ROOT / ".ci" / "run").read_text()
    ours = set(re.findall(r"""["']?\$nox["']? -s '?([\w().]+)""", script))
    assert "lint" in ours
    assert ours <= pythons_of_workflow().keys()


def test_a_release_is_tested_and_built_by_nox() -> None:
    """It is published after all checks, and built by nox."""
    jobs = workflow("release.yml")["jobs"]
    assert jobs["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert set(jobs["publish"]["needs"]) == {"tests", "build"}
    assert "nox -s wheel -- dist" in [step.get("run") for step in jobs["build"]["steps"]]
