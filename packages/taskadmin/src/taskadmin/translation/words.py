"""Translate words that are stored in rows: states, kinds, actions."""

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
    "due": marked("task schedules"),
    "manual": marked("manual"),
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
    "channel": marked("channel"),
    "registered": marked("registered"),
    "created": marked("created"),
    "changed": marked("changed"),
    "cloned": marked("cloned"),
    "resumed": marked("resumed"),
    "deleted": marked("deleted"),
    "started": marked("started"),
    "retried": marked("retried"),
    "page": marked("page"),
    "logged_in": marked("logged in"),
    "failed_log_in": marked("failed log in"),
    "logged_out": marked("logged out"),
    "refused": marked("refused"),
    "exported": marked("exported"),
    "unblocked": marked("unblocked"),
    # counters of attempts
    "account": marked("account"),
    "address": marked("address"),
    "browser": marked("known browser"),
    "password": marked("password"),
    "code": marked("second factor"),
    "registration": marked("registration"),
    "token": marked("API token"),
}


def word(name: str) -> str:
    """Translate *name*; an unknown name stays unchanged."""
    return texts.gettext(_WORDS.get(name, name))
