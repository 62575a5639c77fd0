"""Every page: its address, who may open it, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from e2e.sample import NOBODY, REVIEWER, SUPERUSER, Sample
from taskadmin.models import RunState


@dataclass(frozen=True)
class Visit:
    """A page as one person comes to it."""

    #: Of the picture.
    name: str
    who: str | None
    #: Below ``/taskadmin/``.
    path: Callable[[Sample], str]
    status: int = 200
    #: What is done on the page at *path*; the page that follows is looked at.
    then: Callable[[Page], None] | None = None

    def __str__(self) -> str:
        return f"{self.who or 'signed-out'}-{self.name}"


def at(path: str) -> Callable[[Sample], str]:
    """An address that is always the same."""
    return lambda _: path


def of_run(path: str, state: RunState) -> Callable[[Sample], str]:
    """An address that ends with the id of a run in *state*."""
    return lambda sample: f"{path}{sample.runs[state]}"


def press(button: str, *, tick: int = 0) -> Callable[[Page], None]:
    """Tick the first rows of a list, then press a button."""

    def then(page: Page) -> None:
        for number in range(tick):
            page.locator("input[name=rowid]").nth(number).check()
        with page.expect_event("load"):
            page.locator("main").get_by_role("button", name=button).last.click()

    return then


def press_for_all(button: str) -> Callable[[Page], None]:
    """Act on all rows that match, on other pages too."""

    def then(page: Page) -> None:
        page.locator("[data-all-matching]").check()
        with page.expect_event("load"):
            page.locator(".selection").get_by_role("button", name=button).click()

    return then


def open_newest_run(page: Page) -> None:
    """The page of a list's first run."""
    with page.expect_event("load"):
        page.locator("main tbody a[href*='runs/details']").first.click()


def type_wrong_limits(page: Page) -> None:
    """A form that comes back with messages."""
    page.locator("#name").fill("Upside down")
    page.locator("#lower_limit").fill("10")
    page.locator("#upper_limit").fill("1,5")
    page.locator(".buttons").get_by_role("button", name="Create task").click()
    page.wait_for_selector("#upper_limit-error")


def choose_cron(page: Page) -> None:
    """The form of a task, with a schedule of its own."""
    page.locator("input[name=kind][value=cron]").check()
    with page.expect_response("**/preview/**"):
        page.locator("#cron").fill("30 2 * * *")
    page.wait_for_selector("[data-preview] .next-runs")


def save_after_somebody_else(page: Page) -> None:
    """A form that is out of date by the time it is sent."""
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#name").fill("Latency of a page that hangs for long")
    other.locator(".buttons").get_by_role("button", name="Save").click()
    other.wait_for_selector(".message.good")
    other.close()
    page.locator("#name").fill("Latency of a page that never answers")
    page.locator(".buttons").get_by_role("button", name="Save").click()
    page.wait_for_selector(".conflict")


def reset_password(page: Page) -> None:
    """The page that shows a new password once."""
    page.locator("#password, [name=password]").last.fill("a new password of paul")
    with page.expect_event("load"):
        page.get_by_role("button", name="Reset password").click()


ANA = [
    Visit(name, SUPERUSER, path, then=then)
    for name, path, then in [
        ("dashboard", at("dashboard/"), None),
        ("dashboard-table", at("dashboard/?range=1h&table=1"), None),
        ("dashboard-week", at("dashboard/?range=7d"), None),
        ("tasks", at("tasks/"), None),
        ("tasks-selected", at("tasks/"), lambda page: page.locator("[name=rowid]").first.check()),
        ("tasks-paused", at("tasks/?state=paused"), None),
        ("tasks-none", at("tasks/?search=nothing+is+called+that"), None),
        ("tasks-wrong-search", at("tasks/?search=state:purple"), None),
        ("task-pause", at("tasks/"), press("Pause …", tick=2)),
        ("task-delete", at("tasks/"), press("Delete …", tick=2)),
        ("task-run-all", at("tasks/?search=Dice"), press_for_all("Run now")),
        ("task-pause-all", at("tasks/"), press_for_all("Pause …")),
        ("task", lambda sample: f"tasks/details/?id={sample.good}", None),
        ("task-chart", lambda sample: f"tasks/details/?id={sample.good}&tab=chart", None),
        (
            "task-chart-table",
            lambda sample: f"tasks/details/?id={sample.good}&tab=chart&table=1",
            None,
        ),
        ("task-changes", lambda sample: f"tasks/details/?id={sample.paused}&tab=changes", None),
        ("task-definition", lambda sample: f"tasks/details/?id={sample.slow}&tab=definition", None),
        ("task-failing", lambda sample: f"tasks/details/?id={sample.failing}", None),
        ("task-paused", lambda sample: f"tasks/details/?id={sample.paused}", None),
        ("task-orphaned", lambda sample: f"tasks/details/?id={sample.orphaned}", None),
        ("task-run-with", lambda sample: f"tasks/run/?id={sample.good}", None),
        ("task-new", at("tasks/new/"), None),
        ("task-new-cron", at("tasks/new/?job=http_latency"), choose_cron),
        ("task-new-wrong", at("tasks/new/"), type_wrong_limits),
        ("task-edit", lambda sample: f"tasks/edit/?id={sample.slow}", None),
        (
            "task-edit-conflict",
            lambda sample: f"tasks/edit/?id={sample.slow}",
            save_after_somebody_else,
        ),
        ("task-edit-orphaned", lambda sample: f"tasks/edit/?id={sample.orphaned}", None),
        ("runs", at("runs/"), None),
        ("runs-failed", at("runs/?state=failed"), None),
        ("runs-cancelled", at("runs/?state=cancelled"), None),
        ("runs-of-task", lambda sample: f"runs/?task={sample.good}&state=succeeded", None),
        ("runs-delete-all", at("runs/?state=failed"), press_for_all("Delete …")),
        ("runs-terminate", at("runs/?state=running"), press("terminate", tick=1)),
        *[
            (f"run-{state.value}", of_run("runs/details/?id=", state), None)
            for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED)
        ],
        ("run-running", at("runs/?state=running"), open_newest_run),
        ("run-again", of_run("runs/again/?id=", RunState.FAILED), None),
        ("launches", at("launches/"), None),
        ("launches-missed", at("launches/?show=missed"), None),
        ("launch", lambda sample: f"launches/details/?id={sample.launch}", None),
        ("failures", at("failures/"), None),
        ("failures-delete", at("failures/"), press("Delete")),
        ("workers", at("workers/"), None),
        ("workers-asked", at("workers/"), press("Ask the workers")),
        ("review", at("review/"), None),
        ("review-tasks", lambda sample: f"review/tasks/?user={sample.author}", None),
        ("users", at("users/"), None),
        ("user", lambda sample: f"users/edit/?id={sample.forgetful}", None),
        ("user-password", lambda sample: f"users/edit/?id={sample.forgetful}", reset_password),
        ("audit", at("audit/"), None),
        ("profile", at("profile"), None),
        ("preferences", at("preferences"), None),
    ]
]

OTHERS = [
    Visit("not-found", SUPERUSER, at("tasks/details/?id=999999"), 404),
    Visit("review", REVIEWER, at("review/")),
    Visit("review-tasks", REVIEWER, lambda sample: f"review/tasks/?user={sample.author}"),
    Visit("profile", REVIEWER, at("profile")),
    Visit("refused", REVIEWER, at("tasks/"), 403),
    Visit("profile", NOBODY, at("profile")),
    Visit("preferences", NOBODY, at("preferences")),
    Visit("refused", NOBODY, at("dashboard/"), 403),
    Visit("login", None, at("login")),
    Visit("login-wrong", None, at("login"), then=press("Log in")),
    Visit("register", None, at("register")),
    Visit("register-wrong", None, at("register"), then=press("Register")),
]

VISITS = [*ANA, *OTHERS]
