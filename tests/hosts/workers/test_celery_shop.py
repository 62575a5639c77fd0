"""Tasks of the host and of taskadmin go where each belongs."""

from pathlib import Path

import pytest
from celery.beat import Scheduler
from redis import Redis

from taskadmin import service

FOLDER = Path(__file__).parent
WORKER = ("celery", "-A", "celery_shop:celery", "worker", "-c", "1", "-l", "INFO", "-n")


@pytest.fixture(scope="module")
def shop(redis_url, tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BROKER_URL", redis_url)
        folder = tmp_path_factory.mktemp("shop")
        environment.setenv("DATABASE_URL", f"sqlite:///{folder}/shop.sqlite")
        environment.syspath_prepend(FOLDER)
        import celery_shop

        yield celery_shop


@pytest.fixture
def app(shop):
    return shop.app


def test_beat_has_the_entries_of_both(shop):
    """The host's, and taskadmin's two."""
    entries = {entry.name: entry.task for entry in Scheduler(shop.celery).schedule.values()}
    entries.pop("celery.backend_cleanup", None)
    assert entries == {
        "invoices": "shop.send_invoices",
        "taskadmin.launch_tasks": "taskadmin.launch_tasks",
        "taskadmin.tick": "taskadmin.tick",
    }


def test_each_worker_has_its_queues(app, shop, run_by_worker, start, tmp_path, wait_until):
    """The host's worker doesn't consume taskadmin's, and runs the host's tasks as before."""
    own = start(*WORKER, "own@%h", folder=FOLDER)
    runs = start(*WORKER, "runs@%h", "-Q", "taskadmin.runs", folder=FOLDER)
    own.wait_for(" ready.")
    runs.wait_for(" ready.")
    marks = tmp_path / "marks"
    shop.count.delay(str(marks))
    run = run_by_worker(app, "generate_random_number", lower_limit=0, upper_limit=1)
    assert run.state == "succeeded"
    assert run.worker.startswith("runs@")
    wait_until(marks.exists)
    queues = shop.celery.control.inspect(timeout=5, limit=2).active_queues()
    assert {
        name.partition("@")[0]: [queue["name"] for queue in q] for name, q in queues.items()
    } == {
        "own": ["shop"],
        "runs": ["taskadmin.runs"],
    }


def test_messages_lie_in_their_queues(app, shop, taskadmin_superuser, start_task, redis_url):
    """While no worker is there: routed, by default, and taskadmin's."""
    shop.send_invoices.delay()
    shop.count.delay("nowhere")
    start_task(app, "generate_random_number", lower_limit=0, upper_limit=1)
    redis = Redis.from_url(redis_url)
    assert [redis.llen(name) for name in ("mail", "shop", "taskadmin.runs")] == [1, 1, 1]


def test_beat_launches_tasks(app, shop, create_task, start, tmp_path, wait_until):
    """The whole way over Redis: beat, launcher and worker; doctor finds no problem."""
    create_task(app, "generate_random_number", lower_limit=0, upper_limit=1)
    runs = start(*WORKER, "runs@%h", "-Q", "taskadmin.runs", folder=FOLDER)
    launcher = start(*WORKER, "launcher@%h", "-Q", "taskadmin.launch", "-P", "solo", folder=FOLDER)
    start("celery", "-A", "celery_shop:celery", "beat", "-s", f"{tmp_path}/beat", folder=FOLDER)

    def has_succeeded():
        with app.app_context():
            return service.find_runs(state="succeeded") != []

    runs.wait_for(" ready.")
    launcher.wait_for(" ready.")
    wait_until(has_succeeded)
    done = app.test_cli_runner().invoke(args=["taskadmin", "doctor"])
    assert done.exit_code == 0, done.output
