"""Probes that may never return."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fixture_types import AtOnce
from taskadmin.health.probe import NoAnswer, Probe


class Asked:
    """A probe that can hang or fail."""

    def __init__(self) -> None:
        self.times = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.times += 1
        answer = self.times
        self.go_on.wait()
        if self.error is not None:
            raise self.error
        return answer


@pytest.fixture
def asked() -> Iterator[Asked]:
    """A probe that is released at the end of the test."""
    asked = Asked()
    yield asked
    asked.go_on.set()


def test_everybody_at_once_asks_once(asked: Asked, at_once: AtOnce) -> None:
    """A burst of requests opens one connection."""
    asked.go_on.clear()
    probe = Probe(asked, seconds=10)

    def answer() -> int:
        attempt = probe.start()
        asked.go_on.set()
        return attempt.result()

    assert at_once(*[answer] * 20) == [1] * 20
    assert asked.times == 1


def test_a_fresh_answer_is_kept_and_an_old_one_is_not(asked: Asked) -> None:
    """The probe runs again once its result is too old."""
    kept, forgetful = Probe(asked, seconds=10), Probe(asked, seconds=10, fresh_seconds=0)

    assert [kept.start().result(), kept.start().result()] == [1, 1]
    assert [forgetful.start().result(), forgetful.start().result()] == [2, 3]


def test_silence_is_no_answer_for_the_first_after_a_while_and_for_others_at_once(
    asked: Asked,
) -> None:
    """Requests don't queue up behind a hanging probe."""
    asked.go_on.clear()
    probe = Probe(asked, seconds=0.2)

    with pytest.raises(NoAnswer, match=r"No answer after 0\.2 s\."):
        probe.start().result()
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        probe.start().result()

    assert time.monotonic() - begun < 0.2
    assert asked.times == 1


def test_a_check_that_hangs_is_repeated_a_few_times(asked: Asked) -> None:
    """A dead connection doesn't block it for ever, and threads don't accumulate."""
    asked.go_on.clear()
    probe = Probe(asked, seconds=0, hung_seconds=0)

    for _ in range(10):
        with pytest.raises(NoAnswer):
            probe.start().result()

    assert asked.times == Probe.MAX_HUNG


def test_an_error_is_everybodys_answer(asked: Asked) -> None:
    """It is cached like other results."""
    asked.error = OSError("gone")
    probe = Probe(asked, seconds=10)

    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            probe.start().result()

    assert asked.times == 1
