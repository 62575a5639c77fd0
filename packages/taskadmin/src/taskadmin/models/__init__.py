"""The tables. All code that reads or writes them is in ``taskadmin.store``."""

from .audit import AuditEntry
from .base import TABLE_PREFIX, Base
from .columns.times import UtcDateTime
from .extension import Models
from .launch import Launch, LaunchKind, LaunchState
from .notifications.channel import NOTIFY_JOB, ChannelKind, NotificationChannel
from .notifications.notice import EventNotice
from .notifications.rule import GLOBAL_EVENTS, NotificationRule, NotifiedEvent
from .pause import TaskPause
from .people.api_request import ApiRequest
from .people.second_factor import RecoveryCode, SecondFactor
from .people.session import UserSession
from .people.token import ApiToken
from .progress import RunProgress
from .result import RunState, TaskResult
from .schedule import MissedRuns, Overlap, TaskSchedule
from .task import GENERATE_RANDOM_NUMBER, MASKED, Task, stored_arguments
from .throttle import Throttle
from .upkeep.job_duration import JobDuration
from .upkeep.ledger_state import LedgerState
from .upkeep.minute_count import MinuteCount
from .upkeep.process import Process, ProcessEnd, ProcessKind
from .upkeep.run_total import RunTotal
from .user import User

__all__ = [
    "GENERATE_RANDOM_NUMBER",
    "GLOBAL_EVENTS",
    "MASKED",
    "NOTIFY_JOB",
    "TABLE_PREFIX",
    "ApiToken",
    "ApiRequest",
    "AuditEntry",
    "Base",
    "ChannelKind",
    "JobDuration",
    "Launch",
    "LaunchKind",
    "LaunchState",
    "LedgerState",
    "MinuteCount",
    "MissedRuns",
    "Models",
    "EventNotice",
    "NotificationChannel",
    "NotificationRule",
    "NotifiedEvent",
    "Overlap",
    "Process",
    "ProcessEnd",
    "ProcessKind",
    "RecoveryCode",
    "RunProgress",
    "RunState",
    "RunTotal",
    "SecondFactor",
    "Task",
    "TaskPause",
    "TaskResult",
    "TaskSchedule",
    "Throttle",
    "User",
    "UserSession",
    "UtcDateTime",
    "stored_arguments",
]
