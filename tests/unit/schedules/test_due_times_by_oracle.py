"""Due times compared with a brute-force oracle, for ten years and all zones that change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskadmin.schedules import InvalidSchedule, Schedule, ScheduleKind, in_words, make_schedule

from .oracle import FIRST, LAST, Expression, Field, changes, changing_zones, due_times

SLOT = 300.0
START, END = datetime(1970, 1, 3), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone


def _written(values: frozenset[int]) -> Field:
    return Field(",".join(map(str, sorted(values))), values)


def _starred(low: int, high: int, step: int) -> Field:
    text = "*" if step == 1 else f"*/{step}"
    return Field(text, frozenset(range(low, high + 1, step)))


def fields(low: int, high: int, *, named_upto: int | None = None) -> st.SearchStrategy[Field]:
    """Lists, ranges, and stars with and without a step."""
    values = st.integers(low, named_upto or high)
    lists = st.frozensets(values, min_size=1, max_size=4).map(_written)
    ranges = st.tuples(values, values).map(
        lambda ends: Field(f"{min(ends)}-{max(ends)}", frozenset(range(min(ends), max(ends) + 1)))
    )
    starred = st.integers(1, high).map(lambda step: _starred(low, high, step))
    return st.one_of(lists, ranges, starred, st.just(_starred(low, high, 1)))


# Hours at which clocks change are more frequent.
hours = st.one_of(fields(0, 23), st.frozensets(st.integers(0, 4), min_size=1).map(_written))
always = _starred(1, 12, 1)
every_day = st.builds(
    Expression,
    fields(0, 59),
    hours,
    st.just(_starred(1, 31, 1)),
    st.just(always),
    st.just(_starred(0, 6, 1)),
)
# The drawn months may have no day 31.
some_days = st.builds(
    Expression, fields(0, 59), hours, fields(1, 31, named_upto=28), fields(1, 12), fields(0, 6)
)


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Draw moments, mostly within a day of a change."""
    anywhere = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(
        lambda moment: moment.replace(tzinfo=UTC)
    )
    if not changes(zone) or draw(st.integers(0, 4)) == 0:
        return draw(anywhere)
    seconds = draw(
        st.one_of(st.integers(-90_000, 90_000), st.integers(-180, 180).map(lambda m: m * 60))
    )
    return draw(st.sampled_from(changes(zone))) + timedelta(seconds=seconds)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Expression, str, datetime]:
    zone = draw(st.sampled_from(changing_zones()))
    return draw(st.one_of(every_day, every_day, some_days)), zone, draw(moments(zone))


def _cron(text: str, zone: str) -> Schedule:
    return Schedule(kind=ScheduleKind.CRON, cron=text, zone=zone)


def _expression(minute: Field, hour: Field) -> Expression:
    return Expression(minute, hour, _starred(1, 31, 1), always, _starred(0, 6, 1))


@settings(max_examples=120, deadline=None)
@given(cases())
@example(
    (
        _expression(_written(frozenset({30})), _written(frozenset({2}))),
        "Europe/Berlin",
        datetime(2026, 10, 25, 0, 45, tzinfo=UTC),
    )
)
@example(
    (
        _expression(_written(frozenset({45})), _starred(0, 23, 1)),
        "Australia/Lord_Howe",
        datetime(2026, 4, 4, 14, 50, tzinfo=UTC),
    )
)
@example(
    (
        _expression(_starred(0, 59, 15), _written(frozenset({5}))),
        "Australia/Lord_Howe",
        datetime(2026, 10, 3, 12, tzinfo=UTC),
    )
)
@example(
    (
        _expression(_written(frozenset({0})), _starred(0, 23, 1)),
        "Antarctica/Troll",
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    )
)
def test_due_times_are_those_of_the_oracle(case: tuple[Expression, str, datetime]) -> None:
    """The next ones, the last one up to a moment, and their number."""
    expression, zone, moment = case
    schedule = _cron(expression.text, zone)
    end = moment + timedelta(hours=30)
    expected = [
        due
        for due in due_times(
            expression, ZoneInfo(zone), moment.replace(second=0, microsecond=0), end
        )
        if due > moment
    ]

    found: list[datetime] = []
    due = schedule.next_after(moment, slot_interval_seconds=SLOT)
    while due is not None and due <= end:
        found.append(due)
        due = schedule.next_after(due, slot_interval_seconds=SLOT)
    assert found == expected

    assert schedule.count_between(moment, end, 10_000, slot_interval_seconds=SLOT) == len(expected)
    assert schedule.count_between(moment, end, 3, slot_interval_seconds=SLOT) == min(
        3, len(expected)
    )
    for probe in [end, *(due + timedelta(seconds=s) for due in expected[:30] for s in (-1, 0, 59))]:
        before = [due for due in expected if due <= probe]
        last = schedule.last_until(probe, slot_interval_seconds=SLOT)
        if before:
            assert last == before[-1]
        else:
            assert last is None or last <= moment


schedules = st.one_of(
    st.builds(
        lambda seconds, start: Schedule(
            kind=ScheduleKind.INTERVAL, every_seconds=seconds, starts_at=start
        ),
        st.integers(1, 366 * 86_400),
        st.none() | st.datetimes(timezones=st.just(UTC), min_value=START, max_value=END),
    ),
    st.just(Schedule()),
    st.builds(
        lambda expression, zone: _cron(expression.text, zone),
        st.one_of(every_day, some_days),
        st.sampled_from(changing_zones()),
    ),
)


@settings(max_examples=100, deadline=None)
@given(
    schedules,
    st.datetimes(timezones=st.just(UTC), min_value=START, max_value=END),
)
def test_due_times_go_forward_and_are_found_again(schedule: Schedule, moment: datetime) -> None:
    """Each is later than the previous, and is its own last due time."""
    for _ in range(4):
        due = schedule.next_after(moment, slot_interval_seconds=SLOT)
        if due is None:
            return
        assert due > moment
        assert due.tzinfo is UTC
        assert schedule.last_until(due, slot_interval_seconds=SLOT) == due
        assert schedule.count_between(moment, due, 5, slot_interval_seconds=SLOT) == 1
        before = schedule.last_until(due - timedelta(microseconds=1), slot_interval_seconds=SLOT)
        assert before is None or before <= moment
        moment = due


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("0123456789*/,-#LWMONJAF @²٣\t"), max_size=20), st.data())
def test_whatever_is_entered_is_refused_in_words_or_works(text: str, data: st.DataObject) -> None:
    """No other error is raised, on parsing or later."""
    parts = [
        text,
        *(data.draw(st.sampled_from(["*", "0", "1", "*/2", "L", "1-5"])) for _ in range(4)),
    ]
    try:
        schedule = make_schedule("cron", cron=" ".join(data.draw(st.permutations(parts))))
    except InvalidSchedule:
        return
    assert in_words(schedule, SLOT)
    assert schedule.next_after(FIRST, slot_interval_seconds=SLOT) is not None
