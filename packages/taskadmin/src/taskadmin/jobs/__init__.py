"""Jobs: Python code that tasks run. Imports no Flask, Celery or database."""

from .arguments.masking import Redaction, mask_secrets, redact
from .arguments.problems import ArgumentProblem
from .context import Progress, Run
from .declaration.decorator import job
from .discovery import find_jobs, load_entry_points, load_jobs
from .invalid import InvalidJob
from .random_number import GENERATE_RANDOM_NUMBER_JOB, RandomNumberArguments
from .registry import Job, all_jobs, get_job

__all__ = [
    "GENERATE_RANDOM_NUMBER_JOB",
    "InvalidJob",
    "Job",
    "ArgumentProblem",
    "Progress",
    "RandomNumberArguments",
    "Redaction",
    "Run",
    "all_jobs",
    "find_jobs",
    "get_job",
    "job",
    "load_entry_points",
    "load_jobs",
    "redact",
    "mask_secrets",
]
