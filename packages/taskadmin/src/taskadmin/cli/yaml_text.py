"""YAML files for version control: read with line numbers and limits."""

from __future__ import annotations

import re
from typing import Any, TextIO

import yaml

from ..errors import TaskAdminError
from ..store.tasks.as_code.format import Lines
from ..values import storable

#: Maximum file size in bytes.
MAX_FILE_BYTES = 10_000_000
#: Maximum nesting. libyaml's composer is recursive and crashes the process at some 100,000 levels.
#: More than arguments may have, so that too deep arguments are reported for their task.
MAX_YAML_DEPTH = storable.MAX_JSON_DEPTH + 10
_TOO_DEEP = f"nested more than {MAX_YAML_DEPTH} levels deep"

try:
    from yaml import CSafeDumper as _SafeDumper
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # without libyaml, PyYAML is ten times slower
    from yaml import SafeDumper as _SafeDumper  # type: ignore[assignment]
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

#: Overrides of the writing direction, which PyYAML takes for printable.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MAP = "tag:yaml.org,2002:map"
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
#: YAML 1.2's core schema. In YAML 1.1, PyYAML's default, ``no`` is false, ``1:30`` is 90,
#: ``010`` is 8, ``1e5`` is a string and a date is an object.
_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
)


class _Loader(_SafeLoader):
    """Loads mappings as ``Lines``, and refuses duplicate keys."""

    # Filled below; without it, the resolvers would be added to the base class.
    yaml_implicit_resolvers: dict[object, object] = {}


class _Dumper(_SafeDumper):
    """Dumps without aliases, with blocks for multi-line strings and quotes for YAML 1.1, too."""

    # The loader reads dates as strings, so they need no quotes.
    yaml_implicit_resolvers = {
        first: [pair for pair in pairs if not pair[0].endswith(":timestamp")]
        for first, pairs in _SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: object) -> bool:
        return True


def _mapping(loader: _Loader, node: yaml.MappingNode) -> object:
    lines = Lines(node.start_mark.line + 1)
    yield lines
    for key, value in node.value:
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str):
            raise _refused("a key that isn't a string", key.start_mark)
        if name in lines:
            raise _refused(f"{name[:100]} is defined twice", key.start_mark)
        lines[name] = loader.construct_object(value, deep=True)
        lines.lines[name] = key.start_mark.line + 1


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _DIRECTION.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


for _tag, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(rf"^(?:{_pattern})$", re.ASCII),
            ["" if character == "\0" else character for character in _first],
        )
_Loader.add_constructor(_MAP, _mapping)
_Dumper.add_representer(str, _text)


def write_yaml(document: object, file: TextIO) -> None:
    """Write *document*, which may contain only JSON's types."""
    text = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )
    # Strings with these characters have double quotes, in which such escapes are allowed.
    file.write(_DIRECTION.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def read_yaml(raw: bytes) -> Any:
    """Parse *raw*; mappings become ``Lines``.

    Raises:
        TaskAdminError: If it is not valid YAML, larger than ``MAX_FILE_BYTES``, nested more than
            ``MAX_YAML_DEPTH`` levels deep, or has an alias, with which a small file can
            expand to a huge one.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise TaskAdminError(f"The file is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        text = raw.decode("utf-8-sig")
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - made of the safe one
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TaskAdminError(f"Not valid YAML: line {line} isn't UTF-8.") from error
    except yaml.YAMLError as error:
        raise TaskAdminError(f"Not valid YAML: {_told(error)}") from error
    except ValueError as error:  # a number of thousands of digits
        raise TaskAdminError(f"Not valid YAML: {error}.") from error


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("anchors and aliases aren't allowed", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_YAML_DEPTH:
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
        # PyYAML 6.0.4's libyaml looks ahead and refuses 1,000 levels before the first event.
        what = _TOO_DEEP
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}."
