"""The built-in job: draw a random number from a range."""

from __future__ import annotations

import random
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from pydantic_core import PydanticCustomError

from ..translation.texts import marked
from .declaration.decorator import job
from .registry import get_job

#: The operating system's source: forked workers share no seed.
_random = random.SystemRandom()


class RandomNumberArguments(BaseModel):
    """A range: two finite numbers, the lower one first."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    # Marked for translation, because the form of this built-in job is in the reader's language.
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
    # A draw takes microseconds: not worth a statement that records its start.
    record_start=False,
    time_limit=60.0,
)
def generate_random_number(lower_limit: float, upper_limit: float) -> float:
    """Draw a random number between two limits, all numbers equally likely."""
    share = _random.random()
    # random.uniform() computes upper - lower, which overflows for the widest ranges.
    drawn = lower_limit * (1 - share) + upper_limit * share
    # Rounding may exceed a limit by the last bit.
    return min(max(drawn, lower_limit), upper_limit)


# Extracts the docstring for translation.
marked("Draw a random number between two limits, all numbers equally likely.")

GENERATE_RANDOM_NUMBER_JOB = get_job("generate_random_number")
