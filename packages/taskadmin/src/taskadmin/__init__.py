"""Database-scheduled background jobs for Flask and Celery, with a complete admin."""

from .accounts import Accounts, Identity
from .admin import AdminViews
from .errors import ConfigurationError, RegistrationError, TaskAdminError
from .extension import TaskAdmin
from .jobs import Run, job
from .metrics import Metrics
from .migrations import Migrations, include_object
from .models import Models
from .queue import TaskQueue

__all__ = [
    "Accounts",
    "AdminViews",
    "ConfigurationError",
    "Identity",
    "Metrics",
    "Migrations",
    "Models",
    "RegistrationError",
    "Run",
    "TaskAdmin",
    "TaskAdminError",
    "TaskQueue",
    "include_object",
    "job",
]
