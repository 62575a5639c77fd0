"""Definitions for RabbitMQ to import when it starts: users, permissions and queues.

See https://www.rabbitmq.com/docs/access-control for "configure", "write" and "read". A user with
write access to the default exchange (``amq.default``) can write to every queue. Workers don't have
it, and reply through another exchange (``taskadmin_site/replies.py``).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .users import user_name

#: Queues of launchers and workers, and the dead letter queue. If a job has its own queue, add it to
#: RUN_QUEUES and to the worker's ``--queues`` in docker-compose.yml.
LAUNCH_QUEUE = "taskadmin.launch"
RUN_QUEUES = ("taskadmin.runs",)
DEAD_QUEUE = "taskadmin.dead"
#: Celery's ``task_default_queue``, which the site doesn't use.
_DEFAULT_QUEUE = "taskadmin.default"
_WITH_EXCHANGE = (LAUNCH_QUEUE, *RUN_QUEUES, _DEFAULT_QUEUE)
#: Exchange for workers' replies.
REPLIES = "taskadmin.replies"

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RUNS = "|".join(name.replace(".", r"\.") for name in RUN_QUEUES)
_LAUNCH = LAUNCH_QUEUE.replace(".", r"\.")
# Celery's names. Remote control uses a fanout exchange with one queue per worker, and a direct
# exchange with one queue per client for the answers. Events use a topic exchange.
_CONTROL, _ANSWERS, _EVENTS = r"celery\.pidbox", r"reply\.celery\.pidbox", "celeryev"
_OWN_CONTROL, _OWN_ANSWERS = rf"worker@.+\.{_CONTROL}", rf"{_UUID}\.{_ANSWERS}"

#: Tag of each service's user, and patterns of names that it may configure, write and read.
USERS: dict[str, tuple[str, tuple[str, str, str]]] = {
    # Pages and launcher: runs, ticks, pings and their replies, remote control.
    "web": (
        "",
        (
            rf"taskadmin\..+|{_UUID}|{_CONTROL}|{_ANSWERS}|{_OWN_ANSWERS}|{_EVENTS}",
            rf"amq\.default|taskadmin\..+|{_UUID}|{_CONTROL}|{_OWN_ANSWERS}|{_EVENTS}",
            rf"taskadmin\..+|{_UUID}|{_ANSWERS}|{_OWN_ANSWERS}",
        ),
    ),
    "beat": ("", (_LAUNCH, _LAUNCH, _LAUNCH)),
    "worker": (
        "",
        (
            rf"{_RUNS}|{_CONTROL}|{_OWN_CONTROL}|{_ANSWERS}|{_EVENTS}",
            rf"{_RUNS}|taskadmin\.replies|{_OWN_CONTROL}|{_ANSWERS}|{_EVENTS}",
            rf"{_RUNS}|{_CONTROL}|{_OWN_CONTROL}",
        ),
    ),
    # Events, inspection of workers, and queue lengths from the management API.
    "flower": (
        "management",
        (
            rf"{_EVENTS}(\..+)?|{_CONTROL}|{_ANSWERS}|{_OWN_ANSWERS}",
            rf"{_EVENTS}\..+|{_CONTROL}|{_OWN_ANSWERS}",
            rf"{_EVENTS}(\..+)?|{_ANSWERS}|{_OWN_ANSWERS}",
        ),
    ),
}


def definitions(vhost: str, administrator: str, passwords: Mapping[str, str]) -> str:
    """Return the definitions as JSON, with password hashes.

    They contain the queues, because declaring a queue requires write access to its dead letter
    exchange, which is the default exchange.

    Args:
        passwords: By username for the administrator, and by service for the others.
    """
    tags = {administrator: "administrator"}
    rights = {administrator: (".*", ".*", ".*")}
    for service, (tag, (configure, write, read)) in USERS.items():
        tags[user_name(service)] = tag
        rights[user_name(service)] = (f"^({configure})$", f"^({write})$", f"^({read})$")
    by_user = {user_name(service): passwords[service] for service in USERS}
    by_user[administrator] = passwords[administrator]
    found: dict[str, Any] = {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": name,
                "password_hash": password_hash(name, by_user[name]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [tags[name]] if tags[name] else [],
            }
            for name in tags
        ],
        "permissions": [
            {"user": name, "vhost": vhost, "configure": c, "write": w, "read": r}
            for name, (c, w, r) in rights.items()
        ],
        "exchanges": [
            *(_exchange(vhost, name, "topic") for name in _WITH_EXCHANGE),
            _exchange(vhost, REPLIES, "direct"),
        ],
        "queues": [
            _queue(vhost, LAUNCH_QUEUE, {"x-delivery-limit": 20}),
            *(
                _queue(
                    vhost,
                    name,
                    {
                        "x-delivery-limit": 20,
                        "x-dead-letter-exchange": "",
                        "x-dead-letter-routing-key": DEAD_QUEUE,
                    },
                )
                for name in RUN_QUEUES
            ),
            *(_queue(vhost, name, {}) for name in (DEAD_QUEUE, _DEFAULT_QUEUE)),
        ],
        "bindings": [
            {
                "vhost": vhost,
                "source": name,
                "destination": name,
                "destination_type": "queue",
                "routing_key": name,
                "arguments": {},
            }
            for name in _WITH_EXCHANGE
        ],
    }
    return json.dumps(found, indent=1)


def configuration(administrator: str, definitions_file: str) -> str:
    """Return RabbitMQ's advanced.config.

    The administrator can connect from the broker's container only: ``docker-compose exec mq``.
    """
    name = ",".join(map(str, administrator.encode()))
    return (
        f'[{{rabbit, [{{load_definitions, "{definitions_file}"}},'
        f" {{loopback_users, [<<{name}>>]}}]}}].\n"
    )


def password_hash(name: str, password: str) -> str:
    """Return RabbitMQ's hash of a password, with a salt that doesn't change.

    https://www.rabbitmq.com/docs/passwords#computing-password-hash
    """
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _exchange(vhost: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": vhost,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(vhost: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": vhost,
        "durable": True,
        "auto_delete": False,
        "arguments": {"x-queue-type": "quorum", **arguments},
    }
