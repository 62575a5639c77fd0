"""The programming interface for hosts, pages and the command line: tasks, runs and users.

Call it inside an application context:

    from taskadmin import service

    service.start_task("Nightly import", arguments={"day": "2027-01-01"})

Every function that changes something enforces the rules and commits the host's session
(``db.session``), including pending changes in it; with ``TASKADMIN_SCHEMA``, taskadmin has a session
of its own, ``get_state().session``. Changes that people should see later are in the
audit trail: all but preferences, the begin and use of sessions, and mirrored users of the host.
None checks permissions: callers do.

- ``find_…`` returns None, or an empty list, if there is nothing.
- A function that changes one task or user raises ``UnknownTask`` or ``UnknownUser`` if there is no
  such one, and returns it as changed.
- A function that takes ids leaves out those that don't exist, and returns what it changed.
- A function that ends or removes what may be gone already, such as a session, returns whether it
  did, or how many.
- A function that checks a password or a code returns whether it is right.

Errors are subclasses of ``TaskAdminError``, in ``taskadmin.errors``.
"""

from ..models import Overlap, RunState, Task, TaskResult, User
from ..schedules import ScheduleKind
from ..state import get_state
from ..store.launches.run_actions import DeletedRuns
from ..store.people.audit import Actor
from ..store.people.tokens import Bearer, NewToken, Scope, TokenLine
from ..store.tasks.schedules import ScheduleInput
from ..store.tasks.tasks import DeletionCounts
from .api_requests import begin_request, end_request, forget_request
from .as_code import Imported, ImportedTask, import_tasks
from .logins import (
    KnownBrowser,
    LoggedIn,
    clear_wait,
    confirm_code,
    confirm_password,
    count_registration,
    find_waits,
    log_in,
    log_in_with_code,
    unblock,
)
from .notifications import (
    ChannelInput,
    add_rule,
    channel_secrets,
    create_channel,
    delete_channel,
    delete_rule,
    edit_channel,
    find_channel,
    send_test,
)
from .people import (
    check_password,
    create_user,
    edit_user,
    find_user,
    mirror_user,
    set_password,
    set_preferences,
)
from .runs import (
    Cancellation,
    Sending,
    Started,
    cancel_runs,
    delete_runs,
    find_run,
    find_runs,
    retry_runs,
    start_task,
    start_tasks,
    terminate_runs,
)
from .second_factors import (
    remove_second_factor,
    replace_recovery_codes,
    set_second_factor,
)
from .sessions import begin_session, confirm_session, end_session, end_sessions, note_seen
from .tasks import (
    clone_task,
    create_task,
    delete_task,
    delete_tasks,
    edit_task,
    find_task,
    find_tasks,
    pause_task,
    pause_tasks,
    resume_task,
    resume_tasks,
)
from .tokens import authenticate, create_token, find_tokens, revoke_token
from .traces import note_export, note_refusal

__all__ = [
    "Actor",
    "Bearer",
    "Cancellation",
    "ChannelInput",
    "DeletionCounts",
    "DeletedRuns",
    "Imported",
    "ImportedTask",
    "KnownBrowser",
    "LoggedIn",
    "NewToken",
    "Overlap",
    "RunState",
    "ScheduleInput",
    "ScheduleKind",
    "Scope",
    "Sending",
    "Started",
    "Task",
    "TaskResult",
    "TokenLine",
    "User",
    "authenticate",
    "add_rule",
    "begin_request",
    "begin_session",
    "cancel_runs",
    "channel_secrets",
    "check_password",
    "clear_wait",
    "clone_task",
    "confirm_code",
    "confirm_password",
    "confirm_session",
    "count_registration",
    "create_channel",
    "create_task",
    "create_token",
    "create_user",
    "delete_channel",
    "delete_rule",
    "delete_task",
    "delete_tasks",
    "delete_runs",
    "edit_channel",
    "edit_task",
    "edit_user",
    "end_request",
    "end_session",
    "end_sessions",
    "find_channel",
    "forget_request",
    "find_run",
    "find_runs",
    "find_task",
    "find_tasks",
    "find_tokens",
    "find_user",
    "find_waits",
    "get_state",
    "import_tasks",
    "log_in",
    "log_in_with_code",
    "mirror_user",
    "note_export",
    "note_refusal",
    "note_seen",
    "pause_task",
    "pause_tasks",
    "remove_second_factor",
    "replace_recovery_codes",
    "resume_task",
    "resume_tasks",
    "retry_runs",
    "revoke_token",
    "send_test",
    "set_password",
    "set_preferences",
    "set_second_factor",
    "start_task",
    "start_tasks",
    "terminate_runs",
    "unblock",
]
