"""All pages: their addresses, who may open them, and their status codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from e2e.sample import FORGETFUL, NEWCOMER, NOBODY, REVIEWER, SUPERUSER, Sample
from taskadmin.models import RunState


@dataclass(frozen=True)
class Visit:
    """A page as one user opens it."""

    #: Name of the screenshot.
    name: str
    who: str | None
    #: Below ``/taskadmin/``.
    path: Callable[[Sample], str]
    status: int = 200
    #: Actions on the page at *path*; the page after them is checked.
    then: Callable[[Page], None] | None = None
    #: Whether the password was entered long ago, so that it is required again.
    late: bool = False

    def __str__(self) -> str:
        return f"{self.who or 'signed-out'}-{self.name}"


def at(path: str) -> Callable[[Sample], str]:
    """Return a constant address."""
    return lambda _: path


def of_run(path: str, state: RunState) -> Callable[[Sample], str]:
    """Return an address that ends with the id of a run in *state*."""
    return lambda sample: f"{path}{sample.runs[state]}"


def press(button: str, *, tick: int = 0) -> Callable[[Page], None]:
    """Select the first rows of a list, then press a button."""

    def then(page: Page) -> None:
        for number in range(tick):
            page.locator("input[name=rowid]").nth(number).check()
        with page.expect_event("load"):
            page.locator("main").get_by_role("button", name=button).last.click()

    return then


def press_for_all(button: str) -> Callable[[Page], None]:
    """Act on all matching rows, also on other pages."""

    def then(page: Page) -> None:
        page.locator("[data-all-matching]").check()
        with page.expect_event("load"):
            page.locator(".selection").get_by_role("button", name=button).click()

    return then


def open_newest_run(page: Page) -> None:
    """Open a list's first run."""
    with page.expect_event("load"):
        page.locator("main tbody a[href*='runs/details']").first.click()


def type_wrong_limits(page: Page) -> None:
    """Submit a form with invalid values."""
    page.locator("#name").fill("Upside down")
    page.locator("#lower_limit").fill("10")
    page.locator("#upper_limit").fill("1,5")
    page.locator(".buttons").get_by_role("button", name="Create task").click()
    page.wait_for_selector("#upper_limit-error")


def choose_cron(page: Page) -> None:
    """Show a task's form with its own schedule."""
    page.locator("input[name=kind][value=cron]").check()
    with page.expect_response("**/preview/**"):
        page.locator("#cron").fill("30 2 * * *")
    page.wait_for_selector("[data-preview] .next-runs")


def save_after_somebody_else(page: Page) -> None:
    """Submit a form whose task has changed meanwhile."""
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#name").fill("Latency of a page that hangs for long")
    other.locator(".buttons").get_by_role("button", name="Save").click()
    other.wait_for_selector(".message.good")
    other.close()
    page.locator("#name").fill("Latency of a page that never answers")
    page.locator(".buttons").get_by_role("button", name="Save").click()
    page.wait_for_selector(".conflict")


def log_in_too_early(page: Page) -> None:
    """Fail to log in until the page asks to wait."""
    page.get_by_label("Username").fill(FORGETFUL)
    page.get_by_label("Password").fill("a guess")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector(".status-code")


def reset_password(page: Page) -> None:
    """Open the page that shows a new password once."""
    page.locator("#password, [name=password]").last.fill("a new password of paul")
    with page.expect_event("load"):
        page.get_by_role("button", name="Reset password").click()


def create_token(page: Page) -> None:
    """Open the page that shows a new API token once."""
    page.locator("#name").fill("Nightly build")
    press("Create token")(page)


ANA = [
    Visit(name, SUPERUSER, path, then=then)
    for name, path, then in [
        ("dashboard", at("dashboard/"), None),
        ("dashboard-table", at("dashboard/?range=1h&table=1"), None),
        ("dashboard-week", at("dashboard/?range=7d"), None),
        ("tasks", at("tasks/"), None),
        ("tasks-selected", at("tasks/"), lambda page: page.locator("[name=rowid]").first.check()),
        ("keys", at("tasks/"), lambda page: page.keyboard.press("?")),
        ("palette", at("tasks/"), lambda page: page.keyboard.press("Control+k")),
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
            lambda sample: f"tasks/details/?id={sample.good}&tab=chart&as=table",
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
        (
            "runs-times",
            at("runs/?since=2026-11-01T09:00&search=until:today"),
            lambda page: page.locator(".times summary").click(),
        ),
        ("runs-delete-all", at("runs/?state=failed"), press_for_all("Delete …")),
        ("runs-retry-all", at("runs/?state=failed"), press_for_all("Retry")),
        ("runs-terminate", at("runs/?state=running"), press("terminate", tick=1)),
        *[
            (f"run-{state.value}", of_run("runs/details/?id=", state), None)
            for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED)
        ],
        ("run-running", at("runs/?state=running"), open_newest_run),
        ("run-again", of_run("runs/again/?id=", RunState.FAILED), None),
        ("launches", at("launches/"), None),
        (
            "launches-times",
            at("launches/?show=due&since=1d"),
            lambda page: page.locator(".times summary").click(),
        ),
        ("launches-missed", at("launches/?show=missed"), None),
        ("launch", lambda sample: f"launches/details/?id={sample.launch}", None),
        ("failures", at("failures/"), None),
        ("failures-delete", at("failures/"), press("Delete")),
        ("workers", at("workers/"), None),
        ("workers-asked", at("workers/"), press("Ping workers")),
        ("review", at("review/"), None),
        ("review-tasks", lambda sample: f"review/tasks/?user={sample.author}", None),
        ("users", at("users/"), None),
        ("user", lambda sample: f"users/edit/?id={sample.forgetful}", None),
        ("user-password", lambda sample: f"users/edit/?id={sample.forgetful}", reset_password),
        ("audit", at("audit/"), None),
        ("profile", at("profile"), None),
        ("preferences", at("preferences"), None),
        ("tokens", at("tokens"), None),
        ("token-new", at("tokens/new"), None),
        ("token-new-wrong", at("tokens/new"), press("Create token")),
        ("token-created", at("tokens/new"), create_token),
        ("token-revoke", lambda sample: f"tokens/revoke?id={sample.token}", None),
        ("notifications", at("notifications/"), None),
        ("channel", lambda sample: f"notifications/channel/?id={sample.channel}", None),
        ("task-told", lambda sample: f"notifications/task/?id={sample.good}", None),
        ("channel-new-wrong", at("notifications/channel/"), press("Save")),
    ]
]

OTHERS = [
    Visit("confirm", SUPERUSER, lambda sample: f"users/edit/?id={sample.forgetful}", late=True),
    Visit("not-found", SUPERUSER, at("tasks/details/?id=999999"), 404),
    Visit("review", REVIEWER, at("review/")),
    Visit("review-tasks", REVIEWER, lambda sample: f"review/tasks/?user={sample.author}"),
    Visit("review-runs", REVIEWER, lambda sample: f"review/runs/?task={sample.good}"),
    Visit("profile", REVIEWER, at("profile")),
    Visit("refused", REVIEWER, at("tasks/"), 403),
    Visit("profile", NOBODY, at("profile")),
    Visit("preferences", NOBODY, at("preferences")),
    Visit("tokens", NOBODY, at("tokens")),
    Visit("second-factor", NOBODY, at("second-factor")),
    Visit("second-factor-wrong", NOBODY, at("second-factor"), then=press("Turn on")),
    Visit("refused", NOBODY, at("dashboard/"), 403),
    Visit("new-password", NEWCOMER, at("password")),
    Visit("new-password-wrong", NEWCOMER, at("password"), then=press("Change password")),
    Visit("login", None, at("login")),
    Visit("login-wrong", None, at("login"), then=press("Log in")),
    Visit("login-blocked", None, at("login"), then=log_in_too_early),
    Visit("register", None, at("register")),
    Visit("register-wrong", None, at("register"), then=press("Register")),
]

VISITS = [*ANA, *OTHERS]
