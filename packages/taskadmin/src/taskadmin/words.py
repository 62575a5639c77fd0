"""Words that rows hold, as people read them: states, kinds, actions."""

from __future__ import annotations

from . import texts
from .texts import marked

_WORDS = {
    # states of runs
    "queued": marked("queued"),
    "running": marked("running"),
    "succeeded": marked("succeeded"),
    "failed": marked("failed"),
    "skipped": marked("skipped"),
    "cancelled": marked("cancelled"),
    # states of launches
    "opening": marked("opening"),
    "published": marked("published"),
    "closed": marked("closed"),
    "missed": marked("missed"),
    # kinds of launches
    "slot": marked("common slot"),
    "due": marked("own schedules"),
    "manual": marked("by hand"),
    "api": marked("by a program"),
    # states of tasks
    "active": marked("active"),
    "paused": marked("paused"),
    "failing": marked("failing"),
    "late": marked("late"),
    "orphaned": marked("orphaned"),
    "invalid": marked("invalid"),
    # kinds of processes
    "beat": marked("beat"),
    "launcher": marked("launcher"),
    "worker": marked("worker"),
    "child": marked("child"),
    # subjects and actions of the audit trail
    "task": marked("task"),
    "run": marked("run"),
    "user": marked("user"),
    "registered": marked("registered"),
    "created": marked("created"),
    "changed": marked("changed"),
    "cloned": marked("cloned"),
    "resumed": marked("resumed"),
    "deleted": marked("deleted"),
    "started": marked("started"),
    "retried": marked("retried"),
    "discarded": marked("discarded"),
}


def word(name: str) -> str:
    """*name* in the reader's language; a name that isn't known stays as it is."""
    return texts.gettext(_WORDS.get(name, name))
