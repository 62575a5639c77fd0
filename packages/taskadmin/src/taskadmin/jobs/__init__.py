"""Jobs: Python code that tasks run. No Flask, no Celery, no database here."""

from .context import Progress, Run
from .decorator import job
from .discovery import find_jobs, load_entry_points, load_jobs
from .invalid import InvalidJob
from .masking import redact, shown
from .problems import Problem
from .random_number import GENERATE_RANDOM_NUMBER_JOB, RandomNumberArguments
from .registry import Job, all_jobs, get_job

__all__ = [
    "GENERATE_RANDOM_NUMBER_JOB",
    "InvalidJob",
    "Job",
    "Problem",
    "Progress",
    "RandomNumberArguments",
    "Run",
    "all_jobs",
    "find_jobs",
    "get_job",
    "job",
    "load_entry_points",
    "load_jobs",
    "redact",
    "shown",
]
