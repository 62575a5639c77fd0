"""What the factories among the fixtures look like, for the annotations of tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from taskadmin.models import Task, User

SignIn = Callable[[User], FlaskClient]
#: An application on the test's database, without taskadmin, and its Flask-SQLAlchemy.
MakeHost = Callable[[], tuple[Flask, SQLAlchemy]]
CountQueries = Callable[[], AbstractContextManager[list[str]]]


class MakeApp(Protocol):
    """Make an application on the test's database."""

    def __call__(self, **config: Any) -> Flask:
        """Make it with *config* over the tests' configuration."""
        ...


class MakeUser(Protocol):
    """Add and commit a user."""

    def __call__(
        self,
        username: str = ...,
        password: str | None = ...,
        *,
        is_superuser: bool = ...,
        can_review_tasks: bool = ...,
        is_active: bool = ...,
    ) -> User:
        """Without *password* the user has none."""
        ...


class MakeTask(Protocol):
    """Add and commit a task."""

    def __call__(
        self,
        author: User | None = ...,
        lower_limit: float = ...,
        upper_limit: float = ...,
        *,
        name: str | None = ...,
        enabled: bool = ...,
        job: str = ...,
        params: dict[str, Any] | None = ...,
    ) -> Task:
        """*params* are the arguments of a *job* that isn't the built-in one."""
        ...


class AtOnce(Protocol):
    """Call functions at the same time."""

    def __call__(self, *functions: Callable[[], Any]) -> list[Any]:
        """Return what each returned, or the exception it raised, in order."""
        ...
