"""The tables. Everything that reads or writes them is in ``taskadmin.store``."""

from .audit import AuditEntry
from .base import PREFIX, Base, UtcDateTime
from .extension import Models
from .launch import Launch, LaunchKind, LaunchState
from .ledger_state import LedgerState
from .minute_count import MinuteCount
from .pause import TaskPause
from .process import Process, ProcessEnd, ProcessKind
from .progress import RunProgress
from .result import RunState, TaskResult
from .schedule import MissedRuns, Overlap, TaskSchedule
from .task import GENERATE_RANDOM_NUMBER, MASKED, Task
from .user import User

__all__ = [
    "GENERATE_RANDOM_NUMBER",
    "MASKED",
    "PREFIX",
    "AuditEntry",
    "Base",
    "Launch",
    "LaunchKind",
    "LaunchState",
    "LedgerState",
    "MinuteCount",
    "MissedRuns",
    "Models",
    "Overlap",
    "Process",
    "ProcessEnd",
    "ProcessKind",
    "RunProgress",
    "RunState",
    "Task",
    "TaskPause",
    "TaskResult",
    "TaskSchedule",
    "User",
    "UtcDateTime",
]
