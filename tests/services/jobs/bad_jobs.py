"""Jobs that raise all kinds of exceptions, with the errors to be recorded."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from flask import current_app
from greenlet import GreenletExit
from pydantic import AfterValidator, BaseModel, SecretStr
from sqlalchemy import text

from taskadmin import Run, job

SECRET = "hunter2-and-a-long-tail-of-characters-that-pydantic-cuts-in-its-middle"
_HERE = __name__

#: Attributes of exceptions that a class may override with properties.
OPAQUE = (
    *("__traceback__", "__cause__", "__context__", "__suppress_context__", "__notes__"),
    *("__class__", "__dict__", "args", "add_note", "with_traceback"),
)


class Panic(BaseException):
    """An exception like those of extensions in Rust."""


class NoText(Exception):
    """An exception whose text and notes can't be read."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NoTextBase(Exception):
    """The same, but not an Exception."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise Panic("no notes")


def _opaque(read: str) -> BaseException:
    """Return an exception with an unreadable attribute."""

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    members = {read: property(fail), "__module__": _HERE}
    opaque: type[Exception] = type("Opaque", (Exception,), members)
    return opaque("opaque")


class Nameless(type):
    """A metaclass of classes whose names can't be read."""

    def __getattribute__(cls, name: str) -> Any:
        raise KeyboardInterrupt


QUIET: Callable[[str], Exception] = Nameless("Quiet", (Exception,), {"__module__": _HERE})


class Unpicklable(Exception):
    """An exception that can't be sent to another process."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.call = lambda: text


class NoModule(Exception):
    """An exception of an unknown module."""

    __module__ = None  # type: ignore[assignment]


class OddExit(SystemExit):
    """A SystemExit whose code can't be compared."""


class Incomparable:
    """A value that raises an exception when compared."""

    def __eq__(self, other: object) -> bool:
        raise Panic("no comparison")

    __hash__ = None  # type: ignore[assignment]


class Case(NamedTuple):
    """A job's function, and the error of its run."""

    function: Callable[[], Any]
    error_type: str
    error: str = ""


def _raising(error: BaseException | type[BaseException]) -> Callable[[], Any]:
    def call() -> None:
        raise error

    return call


def _recursion() -> None:
    return _recursion()


def _loop() -> None:
    one, other = ValueError("a loop"), ValueError("of causes")
    one.__cause__, other.__cause__ = other, one
    raise one


def _timeout() -> None:
    import gevent

    raise gevent.Timeout(1)


def _no_source() -> None:
    """An exception raised by a module whose source can't be read."""

    class Loader:
        def get_source(self, _: str) -> str:
            raise KeyboardInterrupt

    code = compile("def hide():\n    raise NoText\nhide()", "hidden.py", "exec")
    exec(code, {"__name__": "hidden", "__loader__": Loader(), "NoText": NoText})  # noqa: S102


def _failed_transaction() -> None:
    current_app.extensions["sqlalchemy"].session.execute(text("SELECT * FROM nowhere"))


CASES: dict[str, Case] = {
    "keyboard": Case(_raising(KeyboardInterrupt), "KeyboardInterrupt"),
    "panic": Case(_raising(Panic("panicked")), f"{_HERE}.Panic", "panicked"),
    "cancelled": Case(_raising(asyncio.CancelledError), "asyncio.exceptions.CancelledError"),
    "generator_exit": Case(_raising(GeneratorExit), "GeneratorExit"),
    "greenlet_exit": Case(_raising(GreenletExit), "greenlet.GreenletExit"),
    "exit_3": Case(lambda: sys.exit(3), "SystemExit", "SystemExit: 3"),
    "exit_text": Case(lambda: sys.exit("bye"), "SystemExit", "bye"),
    "exit_odd": Case(_raising(OddExit(Incomparable())), f"{_HERE}.OddExit"),
    "exit_incomparable": Case(_raising(SystemExit(Incomparable())), "SystemExit"),
    "no_text": Case(_raising(NoText), f"{_HERE}.NoText"),
    "no_text_base": Case(_raising(NoTextBase), f"{_HERE}.NoTextBase"),
    **{
        f"opaque_{read.strip('_')}": Case(_raising(_opaque(read)), f"{_HERE}.Opaque", "Opaque")
        for read in OPAQUE
    },
    "nameless": Case(
        _raising(QUIET("a")),
        f"{_HERE}.Quiet",
        "Quiet",
    ),
    "no_source": Case(_no_source, f"{_HERE}.NoText", "in hide"),
    "unpicklable": Case(_raising(Unpicklable("a")), f"{_HERE}.Unpicklable"),
    "no_module": Case(_raising(NoModule("x")), "NoModule"),
    "recursion": Case(_recursion, "RecursionError", "maximum recursion depth"),
    "memory": Case(lambda: bytearray(10**15), "MemoryError"),
    "loop": Case(_loop, "ValueError", "a loop"),
    "group": Case(
        _raising(ExceptionGroup("many", [ValueError(str(n)) for n in range(50)])), "ExceptionGroup"
    ),
    "base_group": Case(
        _raising(BaseExceptionGroup("many", [Panic("one"), KeyboardInterrupt()])),
        "BaseExceptionGroup",
        "one",
    ),
    "text_nul": Case(_raising(ValueError("a\x00b \ud800 c")), "ValueError", r"a\x00b \ud800 c"),
    "text_long": Case(_raising(ValueError("x" * 20_000_000)), "ValueError", "x" * 9_000),
    "soft_limit": Case(
        _raising(SoftTimeLimitExceeded), "billiard.exceptions.SoftTimeLimitExceeded"
    ),
    "gevent_timeout": Case(_timeout, "gevent.timeout.Timeout", "1 second"),
    "ignore": Case(_raising(Ignore), "celery.exceptions.Ignore"),
    "reject": Case(_raising(Reject("no")), "celery.exceptions.Reject"),
    "stop_iteration": Case(_raising(StopIteration), "StopIteration"),
    "failed_transaction": Case(_failed_transaction, "sqlalchemy.exc.", "nowhere"),
}


def _only_zero(value: int) -> int:
    if value == 1:
        raise Panic("not this one")
    if value:
        raise QUIET("not this one")
    return value


def invalid(number: Annotated[int, AfterValidator(_only_zero)] = 0) -> None:
    """A job whose validation raises something that isn't an Exception."""


DEFAULT = SecretStr(SECRET)


def leak(run: Run, how: str, token: SecretStr = DEFAULT) -> Any:
    """Print, return or raise a secret, given or default."""
    secret = token.get_secret_value()
    run.log(f"{'x' * 980} {secret}")
    if how == "returned":
        return {"token": [secret], secret: 1}
    if how == "text":
        raise Panic(f"token={secret}")
    if how == "class":
        raise type(f"E{secret}", (BaseException,), {})
    if how == "cause":
        try:
            raise Panic(secret)
        except Panic as error:
            raise ValueError("refused") from error
    if how == "note":
        noted = Panic("refused")
        noted.add_note(secret)
        raise noted
    raise BaseExceptionGroup("many", [Panic(secret)])


LEAKS = ("returned", "text", "class", "cause", "note", "group")


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 1_000:
        raise ValueError("too short")
    return value


class Tokens(BaseModel):
    """A model of the host, whose errors show values."""

    token: Annotated[SecretStr, AfterValidator(_long_enough)]


def refuse(token: SecretStr) -> None:
    """A job whose validation refuses a secret that was valid when it was queued."""


def closes_files() -> None:
    """Close connections and pipes of the process."""
    os.closerange(3, 256)


def fine() -> int:
    """Return a number."""
    return 1


def register() -> None:
    """Register all jobs: with recorded starts, and without (``…_unrecorded``)."""
    for name, case in CASES.items():
        _register(name, case.function)
    for function in (invalid, leak, closes_files, fine):
        _register(function.__name__, function)
    _register("refuse", refuse, arguments=Tokens)


def _register(name: str, function: Callable[..., Any], **options: Any) -> None:
    job(function, name=name, **options)
    job(function, name=f"{name}_unrecorded", record_start=False, **options)
