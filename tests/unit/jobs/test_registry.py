"""Which jobs there are."""

from __future__ import annotations

import dataclasses

import pytest

from taskadmin.errors import UnknownJob
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, all_jobs, get_job
from taskadmin.jobs.registry import add_job


def test_the_built_in_job_is_registered() -> None:
    """A task gets it by default, and its messages start the Celery task of the mission's name."""
    job = get_job("generate_random_number")
    assert job is GENERATE_RANDOM_NUMBER_JOB
    assert job.celery_task == "taskadmin.generate_random_number_task"
    assert job.queue == "taskadmin.runs"
    assert all_jobs()["generate_random_number"] is job


def test_an_unknown_job_is_named() -> None:
    """The error says which name was asked for."""
    with pytest.raises(UnknownJob) as caught:
        get_job("make_tea")
    assert str(caught.value) == "No job is registered under the name make_tea."


def test_a_name_belongs_to_one_job() -> None:
    """A second job of a name is refused and the first one stays."""
    twin = dataclasses.replace(GENERATE_RANDOM_NUMBER_JOB, queue="elsewhere")
    with pytest.raises(ValueError, match="two jobs called 'generate_random_number': rename one"):
        add_job(twin)
    assert get_job("generate_random_number") is GENERATE_RANDOM_NUMBER_JOB


def test_a_job_may_be_registered_twice() -> None:
    """A module that is imported under two paths registers the same job again."""
    assert add_job(GENERATE_RANDOM_NUMBER_JOB) is GENERATE_RANDOM_NUMBER_JOB


def test_the_registered_jobs_can_not_be_changed_by_who_reads_them() -> None:
    """What ``all_jobs`` returns is a view."""
    with pytest.raises(TypeError):
        all_jobs()["mine"] = GENERATE_RANDOM_NUMBER_JOB  # type: ignore[index]
