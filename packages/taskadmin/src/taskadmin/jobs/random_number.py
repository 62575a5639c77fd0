"""The built-in job: draw a random number from a range."""

from __future__ import annotations

import random
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from pydantic_core import PydanticCustomError

from ..texts import marked
from .decorator import job
from .registry import get_job

#: The operating system's source: no seed that a forked worker would share with its siblings.
_random = random.SystemRandom()


class RandomNumberArguments(BaseModel):
    """A range: two finite numbers, the lower one first."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    # Marked: of this job, the form shows labels and docstring in the reader's language.
    lower_limit: FiniteFloat = Field(title=marked("Lower limit"))
    upper_limit: FiniteFloat = Field(title=marked("Upper limit"))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower_limit > self.upper_limit:
            raise PydanticCustomError(
                "limits_ordered", "The upper limit must not be below the lower limit."
            )
        return self


@job(
    arguments=RandomNumberArguments,
    celery_task="taskadmin.generate_random_number_task",
    # A draw takes microseconds: not worth a statement that says it began.
    record_start=False,
    time_limit=60.0,
)
def generate_random_number(lower_limit: float, upper_limit: float) -> float:
    """Draw a number between two limits, all equally likely."""
    share = _random.random()
    # random.uniform() computes upper - lower, which overflows for the widest ranges.
    drawn = lower_limit * (1 - share) + upper_limit * share
    # Rounding may step over a limit by the last bit.
    return min(max(drawn, lower_limit), upper_limit)


#: As the docstring has it.
DESCRIPTION = marked("Draw a number between two limits, all equally likely.")

GENERATE_RANDOM_NUMBER_JOB = get_job("generate_random_number")
