"""Names of hosts' classes."""

from __future__ import annotations

from typing import Any

import pytest

from taskadmin.values.type_names import class_name, type_name


class _Liar(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("asked for a name")


class Odd(Exception, metaclass=_Liar):
    """A class that raises an exception when its name is read."""


class Nameless(Exception):
    """A class whose module isn't text."""


Nameless.__module__ = 7  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (ValueError(), "ValueError"),
        (Odd(), f"{__name__}.Odd"),
        (Nameless(), "Nameless"),
    ],
)
def test_exceptions_are_named_whatever_their_classes_do(problem: Any, name: str) -> None:
    """With their modules, except Python's and missing ones."""
    assert type_name(problem) == name
    assert class_name(type(problem)) == name.rpartition(".")[2]
