"""The built-in job: a random number from a range."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, RandomNumberArguments
from taskadmin.jobs.random_number import generate_random_number

LARGEST = 1.7976931348623157e308
limits = st.floats(allow_nan=False, allow_infinity=False)


@given(st.tuples(limits, limits).map(sorted))
@example([-LARGEST, LARGEST])
@example([-1.7e308, 1.7e308])
@example([LARGEST, LARGEST])
@example([5e-324, 1e-323])
@example([-0.0, 0.0])
@example([0.1, 0.1])
def test_a_draw_is_finite_and_within_its_limits(pair: list[float]) -> None:
    """Also for the widest and narrowest ranges of doubles."""
    lower, upper = pair
    drawn = generate_random_number(lower, upper)
    assert math.isfinite(drawn)
    assert lower <= drawn <= upper


@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5, 1 - 2**-53])
@given(st.tuples(limits, limits).map(sorted))
def test_no_share_steps_over_a_limit(share: float, pair: list[float]) -> None:
    """Rounding stays within the limits for any random value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskadmin.jobs.random_number._random.random", lambda: share)
        drawn = generate_random_number(*pair)
    assert pair[0] <= drawn <= pair[1]


def test_draws_are_spread_over_the_range() -> None:
    """A thousand draws from [-1, 1] have a uniform distribution's mean and deviation."""
    drawn = [generate_random_number(-1, 1) for _ in range(1000)]
    # Mean 0 with a standard error of 0.018, deviation 0.577: six errors' room.
    assert abs(statistics.mean(drawn)) < 0.11
    assert 0.5 < statistics.stdev(drawn) < 0.65
    assert len(set(drawn)) == 1000


@pytest.mark.parametrize(
    "arguments",
    [
        {"lower_limit": math.nan, "upper_limit": 1},
        {"lower_limit": 0, "upper_limit": math.inf},
        {"lower_limit": -math.inf, "upper_limit": 0},
        {"lower_limit": "1e400", "upper_limit": "1e401"},
        {"lower_limit": "1,5", "upper_limit": 2},
        {"lower_limit": "", "upper_limit": 2},
        {"lower_limit": None, "upper_limit": 2},
        {"lower_limit": 1},
        {},
    ],
)
def test_limits_that_are_no_finite_numbers_are_refused(arguments: dict[str, Any]) -> None:
    """The model validates form, command line and worker input."""
    with pytest.raises(ValidationError):
        RandomNumberArguments.model_validate(arguments)


def test_reversed_limits_are_refused_with_a_sentence() -> None:
    """The form can show it."""
    with pytest.raises(ValidationError) as caught:
        RandomNumberArguments(lower_limit=2, upper_limit=1)
    (error,) = caught.value.errors()
    assert error["msg"] == "The upper limit must not be below the lower limit."
    assert error["type"] == "limits_ordered"


def test_a_run_passes_its_parameters_as_they_are() -> None:
    """The parameters' author id isn't an argument."""
    parameters = {"lower_limit": 3.0, "upper_limit": 3.0, "author_id": 7}
    assert GENERATE_RANDOM_NUMBER_JOB.check(parameters) == {"lower_limit": 3.0, "upper_limit": 3.0}


def test_a_run_with_impossible_parameters_fails_before_the_draw() -> None:
    """A manually changed row yields no number."""
    with pytest.raises(ValidationError, match="must not be below"):
        GENERATE_RANDOM_NUMBER_JOB.check({"lower_limit": 2, "upper_limit": 1, "author_id": 7})
