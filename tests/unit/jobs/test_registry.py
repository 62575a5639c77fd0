"""The registry of jobs."""

from __future__ import annotations

import dataclasses

import pytest

from taskadmin.errors import UnknownJob
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, all_jobs, get_job
from taskadmin.jobs.registry import add_job


def test_the_built_in_job_is_registered() -> None:
    """It is a task's default, with its own Celery task."""
    job = get_job("generate_random_number")
    assert job is GENERATE_RANDOM_NUMBER_JOB
    assert job.celery_task == "taskadmin.generate_random_number_task"
    assert job.queue == "taskadmin.runs"
    assert all_jobs()["generate_random_number"] is job


def test_an_unknown_job_is_named() -> None:
    """The error has the requested name."""
    with pytest.raises(UnknownJob) as caught:
        get_job("make_tea")
    assert str(caught.value) == "No job named make_tea is registered."


def test_a_name_belongs_to_one_job() -> None:
    """A second job with the name is refused."""
    twin = dataclasses.replace(GENERATE_RANDOM_NUMBER_JOB, queue="elsewhere")
    with pytest.raises(ValueError, match="two jobs called 'generate_random_number': rename one"):
        add_job(twin)
    assert get_job("generate_random_number") is GENERATE_RANDOM_NUMBER_JOB


def test_a_job_may_be_registered_twice() -> None:
    """As by a module imported under two paths."""
    assert add_job(GENERATE_RANDOM_NUMBER_JOB) is GENERATE_RANDOM_NUMBER_JOB


def test_the_mapping_of_jobs_is_read_only() -> None:
    """``all_jobs`` returns a read-only view."""
    with pytest.raises(TypeError):
        all_jobs()["mine"] = GENERATE_RANDOM_NUMBER_JOB  # type: ignore[index]
