"""Alert rules and dashboard use metrics that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
DOCUMENT = (ROOT / "packages" / "taskadmin" / "docs" / "metrics.md").read_text()
#: Names and labels of all metrics; tests/unit/metrics/test_families.py compares the document with
#: the code.
LABELS = {
    name: set(labels.split(", ")) - {""}
    for name, labels in re.findall(
        r"^\| `(taskadmin_\w+)` \| \w+ \| ([\w, ]*?) ?\|", DOCUMENT, re.M
    )
}
#: What Prometheus adds to each.
ADDED = {"instance", "job", "le"}


def expressions() -> list[str]:
    """Return all expressions of the rules and of the dashboard."""
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [
        *(rule["expr"] for group in groups for rule in group["rules"]),
        *(target["expr"] for panel in panels for target in panel["targets"]),
    ]


def base(name: str) -> str:
    """Return the metric of a histogram's series."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_metrics_and_labels_of_rules_and_dashboard_exist() -> None:
    """Each is in the documentation, and with it in the output."""
    assert len(LABELS) > 10
    assert len(expressions()) > 20
    for expression in expressions():
        for name, matchers in re.findall(r"(taskadmin_\w+)(?:{([^}]*)})?", expression):
            assert base(name) in LABELS, expression
            used = set(re.findall(r"(\w+)(?:=|!)", matchers))
            assert used <= LABELS[base(name)] | ADDED, expression


def test_every_metric_is_on_the_dashboard_or_in_a_rule() -> None:
    """But for the rows that were pruned, which nobody waits for."""
    used = {base(name) for one in expressions() for name in re.findall(r"taskadmin_\w+", one)}

    assert LABELS.keys() - used == {"taskadmin_rows_pruned_total"}


def test_every_rule_is_documented() -> None:
    """By its name."""
    names = re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text())

    assert re.findall(r"^\| `(Taskadmin\w+)` \|", DOCUMENT, re.MULTILINE) == names


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_accepts_the_files(arguments: tuple[str, ...]) -> None:
    """And its tests of the rules pass."""
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No promtool: install Debian's package prometheus.")
        pytest.skip("No promtool: install Debian's package prometheus.")

    done = subprocess.run(
        [promtool, *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
