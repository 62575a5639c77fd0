"""Take a picture of every page: light and dark, wide and as on a phone.

    python tests/e2e/screenshots.py FOLDER

Serves a throwaway site over SQLite on a free port of this machine, and ends with an error if
a page can't be shown, if the browser's console has an error, or if a page asks another host
for anything. ``CHROMIUM`` names the browser; Debian's is found by itself.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import update
from werkzeug.serving import make_server

from taskadmin import TaskAdmin, migrations
from taskadmin.accounts.passwords import hash_password
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchKind, LaunchState, Overlap, RunState, TaskResult
from taskadmin.queue import EMBEDDED_CELERY
from taskadmin.schedules import ScheduleKind
from taskadmin.state import get_state
from taskadmin.store import clock, executions, pauses, results, tasks, users
from taskadmin.store.audit import Actor
from taskadmin.store.outcome import Outcome
from taskadmin.store.schedules import ScheduleInput

PASSWORD = "a password for pictures"
WIDTHS = {"wide": 1280, "phone": 375}
THEMES = ("light", "dark")
TASKS = (
    ("Unit interval", 0.0, 1.0),
    ("Dice", 1.0, 6.0),
    ("Wide range", -1000.0, 1000.0),
    ("Freezing to boiling, in degrees Celsius", 0.0, 100.0),
    (None, -1.7e308, 1.7e308),
    ("Paused", 2.5, 2.75),
)
#: A page's name, its path, and who looks at it.
PAGES = (
    ("login", "login", None),
    ("register", "register", None),
    ("tasks", "tasks/", "ana"),
    ("tasks-none-found", "tasks/?search=nothing", "ana"),
    ("task", "tasks/details/?id=1", "ana"),
    ("task-form", "tasks/edit/?id=1", "ana"),
    ("task-scheduled", "tasks/details/?id=7", "ana"),
    ("task-form-scheduled", "tasks/edit/?id=7", "ana"),
    ("task-orphaned", "tasks/details/?id=8", "ana"),
    ("audit", "audit/", "ana"),
    ("runs", "runs/", "ana"),
    ("runs-of-task", "runs/?task=2&state=succeeded", "ana"),
    ("run", "runs/details/?id=3", "ana"),
    ("run-failed", "runs/details/?id=2", "ana"),
    ("review", "review/", "rita"),
    ("users", "users/", "ana"),
    ("user", "users/edit/?id=2", "ana"),
    ("profile", "profile", "boris"),
    ("not-allowed", "tasks/", "boris"),
    ("not-found", "tasks/details/?id=999", "ana"),
)


def main(folder: Path) -> int:
    """Write the pictures into *folder* and return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with serve() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        for theme in THEMES:
            for size, width in WIDTHS.items():
                problems += take(browser, address, theme, size, width, folder)
        browser.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return 1 if problems else 0


def chromium() -> str:
    """Path of the browser."""
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if path is None:
        sys.exit("There is no Chromium here: install it (Debian: apt-get install chromium).")
    return path


def take(
    browser: Browser, address: str, theme: str, size: str, width: int, folder: Path
) -> list[str]:
    """Picture every page in one theme and width; returns what was wrong."""
    problems: list[str] = []
    for who in (None, "ana", "rita", "boris"):
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if theme == "dark" else "light",
            device_scale_factor=1,
        )
        page = context.new_page()
        watch(page, address, problems)
        if who is not None:
            log_in(page, address, who)
        for name, path, visitor in PAGES:
            if visitor != who:
                continue
            page.goto(f"{address}/taskadmin/{path}")
            shoot(page, folder / f"{name}-{size}-{theme}.png", problems)
        if who == "ana":
            page.goto(f"{address}/taskadmin/tasks/new/")
            page.fill("#name", "Upside down")
            page.fill("#lower_limit", "10")
            page.fill("#upper_limit", "1,5")
            page.click('button:has-text("Create task")')
            shoot(page, folder / f"task-form-error-{size}-{theme}.png", problems)
            page.goto(f"{address}/taskadmin/tasks/")
            page.check("input[name=rowid] >> nth=0")
            page.check("input[name=rowid] >> nth=1")
            page.click(".selection button[value=delete]")
            shoot(page, folder / f"task-delete-{size}-{theme}.png", problems)
            page.goto(f"{address}/taskadmin/tasks/")
            page.check("input[name=rowid] >> nth=0")
            page.click(".selection button[value=pause]")
            shoot(page, folder / f"task-pause-{size}-{theme}.png", problems)
            page.goto(f"{address}/taskadmin/tasks/")
            page.check("input[name=rowid] >> nth=0")
            page.click("summary" if size == "wide" else "[data-menu]")
            shoot(page, folder / f"menu-{size}-{theme}.png", problems, whole=False)
        context.close()
    return problems


def log_in(page: Page, address: str, who: str) -> None:
    """Log in through the form."""
    page.goto(f"{address}/taskadmin/login")
    page.fill("#username", who)
    page.fill("#password", PASSWORD)
    page.click("#submit")
    page.wait_for_selector("details.user-menu")


def watch(page: Page, address: str, problems: list[str]) -> None:
    """Collect errors of scripts and requests that leave this site."""
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            problems.append(f"{page.url}: {message.text}")
            # Chromium says so of every answer that isn't 2xx, forms with errors too.
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            problems.append(f"{page.url} asks {request.url}")
            if not request.url.startswith((address, "data:"))
            else None
        ),
    )


def shoot(page: Page, path: Path, problems: list[str], *, whole: bool = True) -> None:
    """Take one picture; a page that scrolls sideways is a problem."""
    page.screenshot(path=path, full_page=whole)
    overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if overflow:
        problems.append(f"{path.name}: the page is wider than the window")


@contextmanager
def serve() -> Iterator[str]:
    """Serve a site with sample rows; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        app = Flask("pictures")
        app.config.update(
            SECRET_KEY="of a site that lives for a minute",
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/pictures.sqlite",
            CELERY=EMBEDDED_CELERY,
            TASKADMIN_JOBS="taskadmin_site.jobs",
        )
        TaskAdmin().init_app(app, db=SQLAlchemy(app))
        migrations.upgrade(app)
        with app.app_context():
            fill()
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def fill() -> None:
    """People, tasks and runs in every state that a run can have now."""
    session = get_state().session
    password_hash = hash_password(PASSWORD)
    ana = users.create_user(session, "ana", password_hash=password_hash, is_superuser=True).id
    boris = users.create_user(session, "boris", password_hash=password_hash).id
    users.create_user(session, "rita", password_hash=password_hash, can_review_tasks=True)
    for index, (name, lower, upper) in enumerate(TASKS):
        tasks.create_task(
            session,
            author_id=boris if index == 1 else ana,
            name=name,
            arguments={"lower_limit": lower, "upper_limit": upper},
            enabled=name != "Paused",
        )
    actor = Actor(ana, "ana", "192.0.2.1")
    tasks.create_task(
        session,
        author_id=ana,
        name="Latency of the shop",
        job="http_latency",
        arguments={"url": "http://127.0.0.1:8000/healthz", "timeout": 2.5},
        schedule=ScheduleInput(
            kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", overlap=Overlap.SKIP
        ),
        actor=actor,
    )
    tasks.create_task(
        session, author_id=ana, name="Of a job that is gone", job="gone", arguments={"to": "ana"}
    )
    pauses.pause_tasks(session, [6], actor=actor, note="The sensor is being repaired.")
    moment = clock.now(session)
    for number in range(4):
        slot = clock.slot_of(moment, 300) - timedelta(minutes=5 * (4 - number))
        launch = Launch(
            kind=LaunchKind.SLOT,
            slot=slot,
            interval_s=300,
            state=LaunchState.PUBLISHED,
            opened_at=slot,
            published_at=slot,
        )
        session.add(launch)
        session.flush()
        every = [task for task in (tasks.find_task(session, i) for i in range(1, 6)) if task]
        results.insert_runs(session, every, launch_id=launch.id, due_at=slot, jobs=all_jobs())
        session.commit()
    for run in results.page_of_runs(session, limit=100)[2:]:
        if run.id == 2:
            session.execute(
                update(TaskResult)
                .where(TaskResult.id == 2)
                .values(task_params={**run.task_params, "lower_limit": 9.0})
            )
            session.commit()
        complete(run.id)


def complete(run_id: int) -> None:
    """Run a job as a worker does."""
    session = get_state().session
    run = results.find_run(session, run_id)
    assert run is not None
    outcome = Outcome(worker="worker@one", elapsed=timedelta(milliseconds=3), result=None)
    try:
        job = all_jobs()[run.job]
        drawn = job.function(**job.check(run.task_params))
        outcome = Outcome(worker="worker@one", elapsed=timedelta(milliseconds=3), result=drawn)
    except ValueError as error:
        outcome = Outcome(
            worker="worker@one",
            elapsed=timedelta(milliseconds=1),
            error_type=type(error).__name__,
            error=str(error),
        )
    executions.complete_unclaimed(session, run.id, run.due_at, uuid4(), outcome)
    assert outcome.state in (RunState.SUCCEEDED, RunState.FAILED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
