"""Admin pages: dashboard, tasks, runs, launches, workers, review, users and audit."""

from .extension import AdminViews

__all__ = ["AdminViews"]
