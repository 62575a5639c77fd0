"""Importing the modules that register jobs."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable

from ..errors import ConfigurationError

ENTRY_POINTS = "taskadmin.jobs"


def find_jobs(modules: Iterable[str]) -> None:
    """Import everything that registers jobs: entry points, and the modules named here.

    Raises:
        ConfigurationError: As ``load_entry_points`` and ``load_jobs``.
    """
    load_entry_points()
    load_jobs(modules)


def load_jobs(modules: Iterable[str]) -> None:
    """Import the modules that ``TASKADMIN_JOBS`` names.

    Raises:
        ConfigurationError: If one can't be imported, with its name and the cause.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a module may raise anything while it is imported
            raise ConfigurationError(
                f"TASKADMIN_JOBS names {module}, which can't be imported: {_told(error)}"
            ) from error


def load_entry_points() -> None:
    """Import what installed packages offer as entry points of the group ``taskadmin.jobs``.

    Raises:
        ConfigurationError: If one can't be imported, with its name and the cause.
    """
    for entry_point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS)):
        try:
            entry_point.load()
        except Exception as error:  # a module may raise anything while it is imported
            raise ConfigurationError(
                f"The entry point {entry_point.name} of {ENTRY_POINTS} names "
                f"{entry_point.value}, which can't be imported: {_told(error)}"
            ) from error


def _told(error: Exception) -> str:
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return told if told.endswith(".") else f"{told}."
