"""The tables. Everything that reads or writes them is in ``taskadmin.store``."""

from .base import PREFIX, Base, UtcDateTime
from .extension import Models
from .launch import Launch, LaunchKind, LaunchState
from .ledger_state import LedgerState
from .process import Process, ProcessEnd, ProcessKind
from .result import RunState, TaskResult
from .task import GENERATE_RANDOM_NUMBER, Task
from .user import User

__all__ = [
    "GENERATE_RANDOM_NUMBER",
    "PREFIX",
    "Base",
    "Launch",
    "LaunchKind",
    "LaunchState",
    "LedgerState",
    "Models",
    "Process",
    "ProcessEnd",
    "ProcessKind",
    "RunState",
    "Task",
    "TaskResult",
    "User",
    "UtcDateTime",
]
