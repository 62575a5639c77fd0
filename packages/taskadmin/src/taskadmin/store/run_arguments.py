"""Arguments of runs as people search for them, in the JSON that the rows hold."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, not_

from ..models import MASKED, TaskResult
from .json_values import forms_of, value_of


@dataclass(frozen=True, slots=True)
class WantedArgument:
    """An argument that a run has to have been given."""

    name: str
    #: As people write it: numbers in whatever form.
    value: str
    #: Jobs that let nobody see it: their runs never match, or one could guess.
    secret_of: frozenset[str] = frozenset()

    def condition(self) -> ColumnElement[bool]:
        """For a WHERE clause."""
        masked = func.coalesce(value_of(TaskResult.task_params, MASKED), "")
        names = {json.dumps(self.name), json.dumps(self.name, ensure_ascii=False)}
        found = [
            value_of(TaskResult.task_params, self.name).in_(sorted(forms_of(self.value))),
            *(not_(masked.contains(name, autoescape=True)) for name in sorted(names)),
        ]
        if self.secret_of:
            found.append(TaskResult.job.not_in(sorted(self.secret_of)))
        return and_(*found)
