"""Definitions that RabbitMQ imports."""

from __future__ import annotations

import base64
import hashlib
import json

from taskadmin.queue.celery_app.queues import dead_queue
from taskadmin_site import create_app
from taskadmin_site.config import from_environment
from taskadmin_site.stack import broker
from taskadmin_site.stack.services import settings_of


def nothing(_service: str, _name: str) -> str:
    """Files of a new stack: none."""
    return ""


def test_the_broker_gets_no_password(environment: dict[str, str]) -> None:
    """It gets hashes, which match the services' passwords."""
    found = settings_of(environment, nothing)
    users = {user["name"]: user for user in json.loads(found["mq"]["definitions.json"])["users"]}

    assert set(users) == {"rabbit", *(f"taskadmin_{one}" for one in broker.USERS)}
    for service in broker.USERS:
        given = found[service]
        hashed = base64.b64decode(users[given["RABBITMQ_USERNAME"]]["password_hash"])
        salted = hashed[:4] + given["RABBITMQ_PASSWORD"].encode()
        assert hashed[4:] == hashlib.sha256(salted).digest()
    assert users["rabbit"]["tags"] == ["administrator"]
    assert found["mq"]["advanced.config"] == (
        '[{rabbit, [{load_definitions, "/run/settings/definitions.json"},'
        " {loopback_users, [<<114,97,98,98,105,116>>]}]}].\n"
    )


def test_the_broker_makes_the_queues_as_the_package_does(environment: dict[str, str]) -> None:
    """The arguments are equal; RabbitMQ refuses to declare a queue with different ones."""
    celery = create_app(from_environment(environment)).extensions["taskadmin"].celery
    declared = celery.amqp.queues.values()
    made = json.loads(settings_of(environment, nothing)["mq"]["definitions.json"])

    ours = {queue.name: queue.queue_arguments for queue in (*declared, dead_queue())}
    assert {one["name"]: one["arguments"] for one in made["queues"]} == ours
    for queue in declared:
        (exchange,) = (one for one in made["exchanges"] if one["name"] == queue.exchange.name)
        assert (exchange["type"], exchange["durable"]) == (queue.exchange.type, True)
        (bound,) = (one for one in made["bindings"] if one["destination"] == queue.name)
        assert (bound["source"], bound["routing_key"]) == (queue.exchange.name, queue.routing_key)
