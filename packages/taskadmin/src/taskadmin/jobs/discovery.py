"""Import the modules that register jobs."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable

from ..errors import ConfigurationError

ENTRY_POINTS = "taskadmin.jobs"


def find_jobs(modules: Iterable[str]) -> None:
    """Import everything that registers jobs: entry points and *modules*.

    Raises:
        ConfigurationError: Like ``load_entry_points`` and ``load_jobs``.
    """
    load_entry_points()
    load_jobs(modules)


def load_jobs(modules: Iterable[str]) -> None:
    """Import the modules that ``TASKADMIN_JOBS`` names.

    Raises:
        ConfigurationError: If a module can't be imported, with its name and the cause.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a module may raise anything while it is imported
            raise ConfigurationError(
                f"TASKADMIN_JOBS names {module}, which can't be imported: {_described(error)}"
            ) from error


def load_entry_points() -> None:
    """Import the entry points of installed packages in the group ``taskadmin.jobs``.

    Raises:
        ConfigurationError: If an entry point can't be imported, with its package and the cause.
    """
    for entry_point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS)):
        try:
            entry_point.load()
        except Exception as error:  # a module may raise anything while it is imported
            package = entry_point.dist
            assert package is not None  # it was found in one
            raise ConfigurationError(
                f"The package {package.name} {package.version} has the entry point"
                f" {entry_point.name} in {ENTRY_POINTS}, {entry_point.value}, which can't be"
                f" imported: {_described(error)}"
            ) from error


def _described(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text if text.endswith(".") else f"{text}."
