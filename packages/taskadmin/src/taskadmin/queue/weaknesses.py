"""Settings of the host's Celery application that take away what taskadmin promises."""

from __future__ import annotations

from typing import Any, NamedTuple

from celery import Celery
from kombu.serialization import prepare_accept_content

from ..jobs import all_jobs
from .publisher import RUN_TASK


class Weakness(NamedTuple):
    """A setting and what is wrong with it."""

    #: Whether runs can't be executed as they should be, rather than less safely.
    severe: bool
    found: str
    fix: str


def find_weaknesses(celery: Celery) -> list[Weakness]:
    """Everything that only the host's configuration can bring about; no connection is opened."""
    conf = celery.conf
    found = []
    if conf.task_always_eager:
        found.append(
            Weakness(
                True,
                "task_always_eager executes every run inside the process that launches it.",
                "Set task_always_eager to False.",
            )
        )
    if not prepare_accept_content({conf.task_serializer}) <= prepare_accept_content(
        conf.accept_content
    ):
        found.append(
            Weakness(
                True,
                f"Messages are sent as {conf.task_serializer}, which workers refuse:"
                f" accept_content is {sorted(conf.accept_content)}.",
                f"Add {conf.task_serializer!r} to accept_content.",
            )
        )
    if not conf.get("worker_detect_quorum_queues", True):
        # https://www.rabbitmq.com/docs/quorum-queues#global-qos
        found.append(
            Weakness(
                True,
                "worker_detect_quorum_queues is off: workers ask for a limit that quorum queues"
                " don't have, and RabbitMQ refuses them.",
                "Set worker_detect_quorum_queues to True.",
            )
        )
    if conf.worker_prefetch_multiplier == 0:
        # https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
        found.append(
            Weakness(
                False,
                "worker_prefetch_multiplier is 0: one worker takes every waiting message, and"
                " RabbitMQ closes its channel if one of them isn't finished after 30 minutes.",
                "Set worker_prefetch_multiplier to 1.",
            )
        )
    early = _acknowledged_early(celery)
    if early:
        found.append(
            Weakness(
                False,
                f"task_annotations change {', '.join(early)}: without acks_late and"
                " reject_on_worker_lost a run whose worker dies waits until it is found missing.",
                "Leave acks_late and reject_on_worker_lost of taskadmin's Celery tasks as they are.",
            )
        )
    options = conf.broker_transport_options or {}
    if _is_rabbitmq(conf.broker_write_url) and not options.get("confirm_publish"):
        # taskadmin's own runs are always sent with confirms.
        found.append(
            Weakness(
                False,
                "confirm_publish is off: RabbitMQ may lose messages of your own Celery tasks"
                " without anybody noticing. taskadmin's runs are sent with confirms nevertheless.",
                'Add "confirm_publish": True to broker_transport_options.',
            )
        )
    return found


def _acknowledged_early(celery: Celery) -> list[str]:
    names = {RUN_TASK} | {job.celery_task for job in all_jobs().values()}
    tasks: list[Any] = [celery.tasks[name] for name in sorted(names) if name in celery.tasks]
    return [str(task.name) for task in tasks if not (task.acks_late and task.reject_on_worker_lost)]


def _is_rabbitmq(url: str | None) -> bool:
    # "amqp" is also what Celery takes without a broker_url.
    return (url or "amqp").partition(":")[0] in ("amqp", "amqps", "pyamqp", "py-amqp")
