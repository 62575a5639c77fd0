"""Words for stored states and kinds."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from taskadmin.models import LaunchKind, LaunchState, ProcessKind, RunState
from taskadmin.store.reports.matching_tasks import TaskState
from taskadmin.translation.words import _WORDS, word


@pytest.mark.parametrize("kinds", [RunState, LaunchState, LaunchKind, TaskState, ProcessKind])
def test_every_state_and_kind_has_a_word(kinds: Iterable[str]) -> None:
    """It is translatable, too."""
    assert set(kinds) - _WORDS.keys() == set()


def test_a_word_that_is_not_known_stays() -> None:
    """Such as in a newer version's rows."""
    assert (word("slot"), word("sleeping")) == ("common slot", "sleeping")
