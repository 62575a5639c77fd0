"""Secrets and privileges of each container, tested inside the running stack.

tests/integration/site tests more privileges of the broker's and database's users, without
containers.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import requests

from compose.stack import SECRETS, SERVICES, Stack

OURS = ("web", "beat", "worker", "flower")
FLOWER = "http://127.0.0.1:5555"
#: Prints the given statements that the database executes.
_EXECUTED = """
import json, sys
from taskadmin_site import create_app
from sqlalchemy import text
app, done = create_app(), []
with app.app_context():
    engine = app.extensions["sqlalchemy"].engine
    for statement in json.loads(sys.argv[1]):
        try:
            with engine.begin() as connection:
                connection.execute(text(statement))
            done.append(statement)
        except Exception as error:
            assert "InsufficientPrivilege" in str(error), error
print(json.dumps(done))
"""
#: Prints the attempts that the broker allows this container's user.
_ALLOWED = """
import json, os, sys, urllib.request
from kombu import Connection
from taskadmin_site.config import broker_url
from taskadmin_site.stack.environment import with_files
given, _ = with_files(os.environ)
attempts = {
    "tell the launcher": lambda c: c.Producer().publish("{}", exchange="taskadmin.launch", routing_key="taskadmin.launch"),
    "tell it directly": lambda c: c.Producer().publish("{}", exchange="", routing_key="taskadmin.launch"),
    "send runs": lambda c: c.Producer().publish("{}", exchange="taskadmin.runs", routing_key="nowhere"),
    "delete the launcher's queue": lambda c: c.queue_delete("taskadmin.launch"),
    "delete the dead queue": lambda c: c.queue_delete("taskadmin.dead"),
    "make a queue": lambda c: c.queue_declare("mine"),
    "control workers": lambda c: c.Producer().publish("{}", exchange="celery.pidbox", routing_key=""),
    "read ticks": lambda c: c.basic_get("taskadmin.launch"),
}
allowed = []
for name, attempt in attempts.items():
    if name in sys.argv[1:]:
        continue
    try:
        with Connection(broker_url(given), transport_options={"confirm_publish": True}) as connection:
            attempt(connection.default_channel)
        allowed.append(name)
    except Exception as error:
        assert "ACCESS_REFUSED" in str(error), error
for user in ("RABBITMQ", "FLOWER"):
    if f"{user}_USERNAME" not in given:
        continue
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, "http://mq:15672/", given[f"{user}_USERNAME"], given[f"{user}_PASSWORD"])
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    try:
        opener.open("http://mq:15672/api/queues", timeout=10)
        allowed.append(f"ask the management API as {user}")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
print(json.dumps(allowed))
"""
#: Prints the given hosts and ports that accept a connection.
_REACHED = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(address)
    except OSError:
        pass
"""


def test_broker_refuses_no_regular_work(stack: Stack) -> None:
    """The broker has logged no refused access."""
    assert "access_refused" not in stack.logs("mq").lower()


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_in_the_environment(stack: Stack, service: str) -> None:
    """No variable contains a secret."""
    variables = dict(one.split("=", 1) for one in stack.inspect(service)["Config"]["Env"])

    assert not [name for name in variables if name.endswith(("PASSWORD", "SECRET_KEY"))]
    if not stack.has_known_secrets:
        for name in SECRETS:
            assert stack.settings[name] not in "".join(variables.values())


@pytest.mark.parametrize(
    ("service", "theirs"),
    [
        ("db", {"POSTGRES_PASSWORD"}),
        ("mq", set()),
        ("web", {"SECRET_KEY"}),
        ("beat", set()),
        ("worker", set()),
        ("flower", {"RABBITMQ_PASSWORD"}),
    ],
)
def test_each_service_has_its_own_secrets_only(
    stack: Stack, service: str, theirs: set[str]
) -> None:
    """Mounted files contain no other of the three secrets of dockr/.env."""
    if stack.has_known_secrets:
        pytest.skip("The example's passwords equal the usernames, which occur everywhere.")
    held = stack.run("exec", "-T", service, "sh", "-c", "cat /run/settings/*")

    assert {name for name in SECRETS if stack.settings[name] in held} == theirs


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_fenced_in(stack: Stack, service: str) -> None:
    """Only volumes and memory are writable; there are no capabilities; resources are limited."""
    host = stack.inspect(service)["HostConfig"]

    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert 0 < host["Memory"] <= 2 * 2**30
    assert 0 < host["PidsLimit"] <= 500


@pytest.mark.parametrize(
    ("service", "reached"),
    [
        ("web", ["db:5432", "mq:5672"]),
        ("beat", ["db:5432", "mq:5672"]),
        ("worker", ["db:5432", "mq:5672"]),
        ("flower", ["mq:5672", "mq:15672"]),
    ],
)
def test_each_service_reaches_what_it_needs(stack: Stack, service: str, reached: list[str]) -> None:
    """Flower can't reach the database."""
    found = stack.python(service, _REACHED, "db:5432", "mq:5672", "mq:15672").split()

    assert set(reached) <= set(found)
    assert ("db:5432" in found) == (service != "flower")


@pytest.mark.parametrize(
    ("service", "allowed", "untried"),
    [
        ("worker", {"send runs"}, ()),
        # Celery declares a queue before it sends to it; that permission includes deleting it.
        ("beat", {"tell the launcher", "read ticks"}, ("delete the launcher's queue",)),
        # Its pages inspect workers. The administrator's login can't be used from this container.
        ("flower", {"control workers", "ask the management API as RABBITMQ"}, ()),
    ],
)
def test_broker_refuses_other_work_to_a_service(
    stack: Stack, service: str, allowed: set[str], untried: tuple[str, ...]
) -> None:
    """Each user has only the permissions that its service needs."""
    assert set(json.loads(stack.python(service, _ALLOWED, *untried))) == allowed


@pytest.mark.parametrize(
    ("service", "allowed"),
    [
        ("web", ["UPDATE taskadmin_user SET is_active = is_active"]),
        ("worker", []),
        ("beat", []),
    ],
)
def test_database_refuses_other_work_to_a_service(
    stack: Stack, service: str, allowed: list[str]
) -> None:
    """Only migrate may change tables; workers and beat can't read users."""
    tried = [
        "UPDATE taskadmin_user SET is_active = is_active",
        "CREATE TABLE mine (id int)",
        "DROP TABLE taskadmin_task",
        "DELETE FROM taskadmin_audit",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ]

    assert json.loads(stack.python(service, _EXECUTED, json.dumps(tried))) == allowed


def test_flower_is_read_only(stack: Stack) -> None:
    """Users of Flower see workers and queues, but can't control them."""
    who = (stack.settings["RABBITMQ_USERNAME"], stack.settings["RABBITMQ_PASSWORD"])
    workers = requests.get(f"{FLOWER}/api/workers?refresh=1", auth=who, timeout=30).json()
    (worker,) = workers

    page = requests.get(f"{FLOWER}/worker/{quote(worker)}", auth=who, timeout=30)
    ended = requests.post(f"{FLOWER}/api/worker/shutdown/{quote(worker)}", auth=who, timeout=30)
    queues = requests.get(f"{FLOWER}/api/queues/length", auth=who, timeout=30)

    assert worker.startswith("worker@")
    assert (page.status_code, ended.status_code, queues.status_code) == (200, 403, 200)
    # Flower quotes the virtual host twice.
    if quote(stack.settings["RABBITMQ_VHOST"], safe="") == stack.settings["RABBITMQ_VHOST"]:
        assert "taskadmin.runs" in queues.text
