"""Jobs: Python code that tasks run. No Flask, no Celery, no database here."""

from .random_number import GENERATE_RANDOM_NUMBER_JOB, RandomNumberArguments
from .registry import Job, all_jobs, get_job

__all__ = ["GENERATE_RANDOM_NUMBER_JOB", "Job", "RandomNumberArguments", "all_jobs", "get_job"]
