"""Import modules with jobs when the application starts."""

from __future__ import annotations

import sys
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
    """Importing twice is harmless."""
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
            "InvalidJob: The parameter x of f has no annotation; add one, as in `x: int`.",
        ),
    ],
)
def test_a_module_that_can_not_be_imported_is_named(module: str, cause: str) -> None:
    """With the cause."""
    with pytest.raises(ConfigurationError) as caught:
        load_jobs([module])
    assert str(caught.value) == (f"TASKADMIN_JOBS names {module}, which can't be imported: {cause}")
    assert caught.value.__cause__ is not None


def test_packages_may_bring_jobs(folder: Path) -> None:
    """With an entry point; a package whose jobs can't be imported is named."""
    metadata = folder / "acme_jobs-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-jobs\nVersion: 1.2\n")
    points = metadata / "entry_points.txt"
    points.write_text("[taskadmin.jobs]\na = found_jobs\n")
    load_entry_points()
    assert get_job("found").name == "found"
    sys.modules.pop("found_jobs")
    points.write_text("[taskadmin.jobs]\na = found_jobs\nb = broken_jobs:tasks\n")
    with pytest.raises(ConfigurationError) as caught:
        load_entry_points()
    assert str(caught.value) == (
        "The package acme-jobs 1.2 has the entry point b in taskadmin.jobs, broken_jobs:tasks,"
        " which can't be imported: OSError: no disk."
    )
