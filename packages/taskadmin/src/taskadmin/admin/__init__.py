"""The pages: tasks, runs, review, users."""

from .extension import AdminViews

__all__ = ["AdminViews"]
