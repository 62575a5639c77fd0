"""YAML that people keep under version control: read with line numbers and within bounds."""

from __future__ import annotations

import re
from typing import Any, TextIO

import yaml

from ..errors import TaskAdminError
from ..store.as_code import Lines

#: Largest file that is read, in bytes.
LARGEST = 10_000_000
#: Deepest nesting. libyaml's composer calls itself and ends the process on some 100,000 levels.
DEEPEST = 50
_TOO_DEEP = f"nested more than {DEEPEST} times"

try:
    from yaml import CSafeDumper as _SafeDumper
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML without libyaml does the same, ten times slower
    from yaml import SafeDumper as _SafeDumper  # type: ignore[assignment]
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

_MAP = "tag:yaml.org,2002:map"
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
#: What a plain word means: YAML 1.2's core schema. In YAML 1.1, which PyYAML reads otherwise,
#: ``no`` is false, ``1:30`` is 90, ``010`` is 8, ``1e5`` is a text and a date is an object.
_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
)


class _Loader(_SafeLoader):
    """Mappings know their lines, and have each name once."""

    # Filled below; without it the base class's own would be changed.
    yaml_implicit_resolvers: dict[Any, Any] = {}


class _Dumper(_SafeDumper):
    """Without aliases; texts of several lines as blocks; quotes where any YAML would need them."""

    # A date is a text for this loader, and reads better without quotes.
    yaml_implicit_resolvers = {
        first: [pair for pair in pairs if not pair[0].endswith(":timestamp")]
        for first, pairs in _SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Any:
    lines = Lines(node.start_mark.line + 1)
    yield lines
    for key, value in node.value:
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str):
            raise _refused("a name that isn't a text", key.start_mark)
        if name in lines:
            raise _refused(f"{name[:100]} stands here twice", key.start_mark)
        lines[name] = loader.construct_object(value, deep=True)
        lines.lines[name] = key.start_mark.line + 1


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


for _tag, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(rf"^(?:{_pattern})$", re.ASCII),
            ["" if character == "\0" else character for character in _first],
        )
_Loader.add_constructor(_MAP, _mapping)
_Dumper.add_representer(str, _text)


def write_yaml(document: Any, file: TextIO) -> None:
    """Write *document*, which has nothing but what JSON has."""
    yaml.dump(
        document,
        file,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )


def read_yaml(raw: bytes) -> Any:
    """What *raw* holds; mappings are ``Lines``.

    Raises:
        TaskAdminError: If it is no YAML, larger than ``LARGEST``, nested more than
            ``DEEPEST`` times, or has an alias, with which a small file can stand for a huge one.
    """
    if len(raw) > LARGEST:
        raise TaskAdminError(f"The file is larger than {LARGEST:,} bytes.")
    try:
        text = raw.decode("utf-8-sig")
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - made of the safe one
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TaskAdminError(f"This is no YAML: line {line} isn't written in UTF-8.") from error
    except yaml.YAMLError as error:
        raise TaskAdminError(f"This is no YAML: {_told(error)}") from error
    except ValueError as error:  # a number of thousands of digits
        raise TaskAdminError(f"This is no YAML: {error}.") from error


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("anchors and aliases aren't used here", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise _refused(_TOO_DEEP, event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refused(what: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{' '.join(str(error).split())}."
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    what = ", ".join(part for part in parts if part)
    if "maximum nesting depth" in what:
        # PyYAML 6.0.4's libyaml looks ahead, and refuses 1,000 levels before the first event.
        what = _TOO_DEEP
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}."
