"""The doctor's report on broker alarms, with a separate broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.stages.servers import Missing, RabbitmqOfOurOwn
from fixture_types import MakeApp
from taskadmin.health import Status
from taskadmin.health.checks.queues import broker as look_at_broker

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitmqOfOurOwn]:
    """A broker with limits that the test can change."""
    try:
        server = RabbitmqOfOurOwn()
    except Missing as missing:
        pytest.skip(str(missing))
    yield server
    server.close()


@pytest.mark.parametrize(
    ("alarm", "well", "what"),
    [
        (("set_disk_free_limit", "100000GB"), ("set_disk_free_limit", "1MB"), "low on disk"),
        (
            ("set_vm_memory_high_watermark", "0.0000001"),
            ("set_vm_memory_high_watermark", "0.4"),
            "low on memory",
        ),
    ],
)
def test_an_alarm_is_named(
    broker: RabbitmqOfOurOwn,
    make_app: MakeApp,
    alarm: tuple[str, ...],
    well: tuple[str, ...],
    what: str,
) -> None:
    """Disk and memory alarms are distinguished, and end."""
    app = make_app(CELERY={"broker_url": broker.url("/"), "result_backend": "disabled://"})

    broker.control(*alarm)
    try:
        found = look_at_broker(app)
    finally:
        broker.control(*well)

    assert found.status == Status.PROBLEM
    assert found.found.endswith(f" blocks publishers: it has an alarm, {what}.")
    assert found.fix is not None and "rabbitmq-diagnostics alarms" in found.fix
    assert look_at_broker(app).status == Status.OK
