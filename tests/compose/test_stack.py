"""The whole stack, started with one ``up -d``. Tests continue from the previous one's state."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
import requests

from compose.site import Site, text_of
from compose.stack import PREPARATIONS, SECRETS, SERVICES, Stack, wait_until

#: The first task in a new stack.
TASK = 1
FLOWER = "http://127.0.0.1:5555/"


def test_all_services_are_healthy(stack: Stack) -> None:
    """One command starts all services, and the ones that prepare them succeed."""
    assert {name for name in SERVICES if stack.is_healthy(name)} == set(SERVICES)
    assert [stack.inspect(name)["State"]["ExitCode"] for name in PREPARATIONS] == [0, 0]
    assert stack.services_in_file() == {*SERVICES, *PREPARATIONS}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_runs_as_root(stack: Stack, service: str) -> None:
    """Neither the image's user nor the running process is root."""
    assert int(stack.run("exec", "-T", service, "id", "-u")) != 0


def test_pages_are_published_here_only(stack: Stack) -> None:
    """web and flower are published on this machine's loopback address, db and mq not at all."""
    published = {
        name: [
            (port["HostIp"], port["HostPort"])
            for ports in stack.inspect(name)["NetworkSettings"]["Ports"].values()
            for port in ports or []
        ]
        for name in SERVICES
    }

    assert published == {
        "db": [],
        "mq": [],
        "web": [("127.0.0.1", "8000")],
        "beat": [],
        "worker": [],
        "flower": [("127.0.0.1", "5555")],
    }


def test_flower_asks_for_the_brokers_password(stack: Stack) -> None:
    """Flower's username and password are RabbitMQ's."""
    settings = stack.settings
    user, password = settings["RABBITMQ_USERNAME"], settings["RABBITMQ_PASSWORD"]

    assert requests.get(FLOWER, timeout=10).status_code == 401
    assert requests.get(FLOWER, auth=(user, "wrong"), timeout=10).status_code == 401
    assert requests.get(FLOWER, auth=(user, password), timeout=10).status_code == 200


def test_worker_answers_through_broker_and_result_backend(stack: Stack) -> None:
    """The worker receives a message, and its reply arrives."""
    answer = stack.run("exec", "-T", "web", "flask", "taskadmin", "ping")

    assert re.search(r"worker@\w+ answered after \d+ ms", answer)


def test_broker_needs_nothing_deprecated(stack: Stack) -> None:
    """RabbitMQ reports no use of deprecated features."""
    used = stack.run(
        *("exec", "-T", "mq", "rabbitmqctl", "--quiet", "--no-table-headers"),
        *("list_deprecated_features", "--used"),
    )

    assert used.strip() == ""


def test_schema_is_what_the_package_needs(stack: Stack) -> None:
    """migrate has upgraded the database to the newest revision."""
    checked = stack.run("exec", "-T", "web", "flask", "taskadmin", "db", "check")

    assert "The schema matches this version of taskadmin." in checked


def test_task_created_in_the_page_gets_its_result(site: Site, stack: Stack) -> None:
    """A superuser creates a task, which runs in the next slot or by "Run now"."""
    site.create_task("From the page", 7.25, 7.5)
    assert "From the page" in text_of(site.get("/taskadmin/tasks/"))
    if stack.has_long_schedule:
        site.run_now(TASK)

    wait_until(lambda: site.succeeded_runs(TASK), "the task has a result")

    (number,) = re.findall(
        r"7\.\d{3,}", text_of(site.get(f"/taskadmin/runs/?task={TASK}&state=succeeded"))
    )[:1]
    assert 7.25 <= float(number) <= 7.5


def test_each_run_is_one_line_of_json(stack: Stack, site: Site) -> None:
    """Worker and launcher log JSON lines with the ids of launch, task and run."""
    lines = _json_lines(stack, "worker", "web")

    launches = [line for line in lines if line["logger"] == "taskadmin.launcher"]
    runs = [line for line in lines if line["logger"] == "taskadmin.worker"]
    assert all(line["launch_id"] for line in launches)
    assert any(line.keys() >= {"launch_id", "task_id", "run_id", "celery_task_id"} for line in runs)


def _json_lines(stack: Stack, *services: str) -> list[dict[str, Any]]:
    """Return the log lines of *services* that are JSON; the supervisor's own aren't."""
    lines = [line.partition("| ")[2] for line in stack.logs(*services).splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_requests_are_logged_with_id_and_user(stack: Stack, site: Site) -> None:
    """A request's log lines can be found by its id."""
    site.session.headers["X-Request-ID"] = "find-me-1234"
    site.run_now(TASK)
    del site.session.headers["X-Request-ID"]

    lines = [line for line in _json_lines(stack, "web") if line.get("request_id") == "find-me-1234"]

    assert "ada" in {line.get("user") for line in lines}
    assert any(line["logger"] == "taskadmin.service" and line["launch_id"] for line in lines)
    asked = re.compile(r"[\d.]+ POST /taskadmin/tasks/action/ 302 after \d+ ms")
    assert any(asked.fullmatch(line["message"]) for line in lines)


def test_edited_setting_is_picked_up(stack: Stack) -> None:
    """`up` writes the settings, and the processes restart."""
    stack.add_setting("LOG_LEVEL=INFO")

    stack.run("up", "-d", "settings")

    def restarted() -> bool:
        services = ("web", "beat", "worker", "flower")
        return all("Edited: LOG_LEVEL; restarting" in stack.logs(one) for one in services)

    wait_until(restarted, "all processes restarted")
    stack.wait_until_healthy(*SERVICES)


def test_edited_module_is_picked_up_by_web(stack: Stack) -> None:
    """gunicorn reloads the site."""
    address = "http://127.0.0.1:8000/healthz"
    stack.edit(
        "packages/taskadmin/src/taskadmin/health/endpoints.py",
        '{"status": "ok"}',
        '{"status": "edited"}',
    )

    def edited() -> bool:
        try:
            return bool(requests.get(address, timeout=10).json() == {"status": "edited"})
        except requests.RequestException:  # while gunicorn starts its processes
            return False

    wait_until(edited, "the answer is edited")


def test_edited_template_is_picked_up(stack: Stack, site: Site) -> None:
    """The next request uses the edited template."""
    stack.edit(
        "packages/taskadmin/src/taskadmin/templates/taskadmin/accounts/login.html",
        "</form>",
        "</form><p>An edited template</p>",
    )

    wait_until(
        lambda: "An edited template" in Site(site.address).get("/taskadmin/login"),
        "the page is edited",
    )


def test_edited_module_is_picked_up_by_the_worker(stack: Stack) -> None:
    """The worker uses the edited code; launcher, beat and flower restart, too."""
    stack.edit(
        "packages/taskadmin/src/taskadmin/queue/celery_tasks.py",
        "return str(self.request.hostname)",
        'return "edited " + str(self.request.hostname)',
    )

    def answer() -> str:
        return stack.run("exec", "-T", "web", "flask", "taskadmin", "ping", "--timeout", "20")

    wait_until(lambda: "edited worker@" in answer(), "the worker is edited")
    for service in ("web", "beat", "worker", "flower"):
        assert "celery_tasks.py; restarting" in stack.logs(service)
    stack.wait_until_healthy(*SERVICES)


@pytest.mark.parametrize(
    "killed",
    [
        {"worker": "worker", "beat": "beat", "flower": "flower", "web": "worker"},
        {"web": "gunicorn"},
    ],
    ids=["celery", "gunicorn"],
)
def test_killed_processes_come_back(stack: Stack, killed: dict[str, str]) -> None:
    """Their containers exit and are restarted.

    In web, killing either gunicorn or the launcher, which is a Celery worker, is enough.
    """
    before = {service: stack.restarts(service) for service in killed}

    for service, word in killed.items():
        stack.kill(service, word)

    def all_are_back() -> bool:
        return all(stack.restarts(service) == before[service] + 1 for service in killed)

    wait_until(all_are_back, f"{', '.join(killed)} are started again")
    stack.wait_until_healthy(*killed)


def test_work_continues_after_the_restarts(stack: Stack, site: Site) -> None:
    """The restarted launcher and worker produce the next result."""
    before = site.succeeded_runs(TASK)
    if stack.has_long_schedule:
        site.run_now(TASK)

    wait_until(lambda: site.succeeded_runs(TASK) > before, "there is another result")


def test_no_secret_is_shown(stack: Stack) -> None:
    """Logs and command lines contain no passwords and no key, plain or quoted."""
    settings = stack.settings
    if stack.has_known_secrets:
        pytest.skip("The example's passwords equal the usernames, which may be shown.")
    processes = "".join(stack.run("top", service) for service in SERVICES)
    shown = stack.logs() + processes

    for name in SECRETS:
        assert settings[name] not in shown
        assert quote(settings[name], safe="") not in shown


def test_restarted_stack_keeps_its_data(stack: Stack, site: Site) -> None:
    """`down` without -v removes containers, but no volumes."""
    before = site.succeeded_runs(TASK)

    stack.run("down")
    stack.run("up", "-d")
    stack.wait_until_healthy(*SERVICES)

    assert site.succeeded_runs(TASK) >= before > 0


def test_down_leaves_nothing(stack: Stack) -> None:
    """`down -v` removes containers, volumes and networks."""
    assert stack.leftovers()

    stack.run("down", "-v")

    assert stack.leftovers() == []
