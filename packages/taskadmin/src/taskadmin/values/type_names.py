"""Names of jobs' classes, even if these override how they are named."""

from __future__ import annotations

_NAME, _QUALNAME, _MODULE = (
    vars(type)[name] for name in ("__name__", "__qualname__", "__module__")
)


def class_name(kind: type) -> str:
    """Return the name of a class without its module."""
    return str.__str__(_NAME.__get__(kind))


def type_name(problem: BaseException) -> str:
    """Return an exception's class name with its module."""
    kind = type(problem)
    name, module = str.__str__(_QUALNAME.__get__(kind)), _MODULE.__get__(kind)
    if type(module) is not str or module == "builtins":
        return name
    return f"{module}.{name}"
