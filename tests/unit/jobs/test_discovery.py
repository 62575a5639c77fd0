"""Modules that register jobs are imported when the application starts."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from taskadmin import ConfigurationError
from taskadmin.jobs import get_job, load_entry_points, load_jobs

JOB = "from taskadmin import job\n@job\ndef {name}() -> None: ...\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("found_jobs", "broken_jobs", "wrong_jobs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "found_jobs.py").write_text(JOB.format(name="found"))
    (tmp_path / "broken_jobs.py").write_text("raise OSError('no disk')")
    (tmp_path / "wrong_jobs.py").write_text("from taskadmin import job\n@job\ndef f(x): ...\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_modules_are_imported() -> None:
    """Twice does no harm."""
    load_jobs(("found_jobs", "found_jobs"))
    assert get_job("found").function.__module__ == "found_jobs"
    sys.modules.pop("found_jobs")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("nowhere.jobs", "ModuleNotFoundError: No module named 'nowhere'."),
        ("broken_jobs", "OSError: no disk."),
        (
            "wrong_jobs",
            "InvalidJob: The parameter x of f has no annotation; write what it takes, as in `x: int`.",
        ),
    ],
)
def test_a_module_that_can_not_be_imported_is_named(module: str, cause: str) -> None:
    """With the cause, which the traceback has whole."""
    with pytest.raises(ConfigurationError) as caught:
        load_jobs([module])
    assert str(caught.value) == (f"TASKADMIN_JOBS names {module}, which can't be imported: {cause}")
    assert caught.value.__cause__ is not None


@pytest.mark.usefixtures("folder")
def test_packages_may_bring_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point; one that can't be imported is named."""
    points = [EntryPoint("a", "found_jobs", "taskadmin.jobs")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints(points))
    load_entry_points()
    assert get_job("found").name == "found"
    sys.modules.pop("found_jobs")
    points.append(EntryPoint("b", "broken_jobs:tasks", "taskadmin.jobs"))
    with pytest.raises(ConfigurationError) as caught:
        load_entry_points()
    assert str(caught.value) == (
        "The entry point b of taskadmin.jobs names broken_jobs:tasks, "
        "which can't be imported: OSError: no disk."
    )
