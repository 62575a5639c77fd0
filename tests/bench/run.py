"""Measure taskadmin beside other software on one machine: ``nox -s bench``.

Absolute figures depend on the machine; compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry) != Path(__file__).resolve().parent]
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import few as few_runs
from bench import imports, limits, million, others, ours, pages

Figures = dict[str, float]


def main() -> int:
    """Run the chosen benchmarks, and print figures and ratios."""
    arguments = _arguments()
    figures: Figures = {}
    for name, measure in _chosen(_plan(quick=arguments.quick), arguments.only).items():
        found: dict[str, list[float]] = {}
        for _ in range(1 if arguments.quick else arguments.repeat):
            for what, value in measure().items():
                found.setdefault(what, []).append(value)
        for what, values in found.items():
            key = f"{name}: {what}" if what else name
            figures[key] = statistics.median(values)
            print(f"{key:<74} {figures[key]:>12,.0f}{_aim_of(key)}", flush=True)
    ratios = _ratios(figures)
    if ratios:
        print()
    for name, ratio in ratios.items():
        print(f"{name:<74} {ratio:>12.2f} ×{_target(name)}")
    if _MOST in figures and _LEAST in figures:
        grown = figures[_MOST] - figures[_LEAST]
        name = "peak memory of the launcher, 1,000,000 tasks less 1,000"
        print(f"{name:<74} {grown:>12.1f} MB (aim: at most 40)")
    conditions = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": others.versions(),
        "taskadmin_with": {name: version(name) for name in ("celery", "kombu", "SQLAlchemy")},
    }
    print("\n" + "\n".join(f"{name}: {value}" for name, value in conditions.items()))
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({**conditions, "figures": figures, "ratios": ratios}, indent=2)
        )
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, one round")
    parser.add_argument("--repeat", type=int, default=3, help="number of rounds; prints medians")
    parser.add_argument("--only", action="append", default=[], help="part of a name; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    if arguments.json is not None:
        # Checked first, because measuring takes long.
        try:
            arguments.json.touch()
        except OSError as error:
            parser.error(f"--json: {error}")
    return arguments


#: Targets, by the start of a ratio's name.
_TARGETS = {
    "launching : .delay()": "at least 3",
    "launching 1,000,000": "at least 0.8",
    "finishing, default settings : Celery + INSERT": "at least 20",
    "recorded start, default settings : Celery + INSERT": "at least 2",
    "own schedules : django-celery-beat, 10,000": "at least 100",
    "page of": "at most 1.5",
}


def _target(name: str) -> str:
    found = [aim for begin, aim in _TARGETS.items() if name.startswith(begin)]
    return f" (aim: {found[0]})" if found else ""


#: Targets, by parts of a figure's name.
_AIMS = (
    (("pages: 1,000,000 results: ",), "at most 60 ms"),
    (("a tick with 10 due",), "at most 20 ms"),
    (("import: with what only it needs",), "at most 300 ms"),
    (("tick to last row, 1,000,000: ", "seconds"), "at most 60 s"),
)


def _aim_of(figure: str) -> str:
    found = [aim for parts, aim in _AIMS if all(part in figure for part in parts)]
    return f" (aim: {found[0]})" if found else ""


def _chosen(
    plan: dict[str, Callable[[], Figures]], parts: Sequence[str]
) -> dict[str, Callable[[], Figures]]:
    """Return the benchmarks with one of *parts* in their names, or all without any."""
    for part in parts:
        if not any(part in name for name in plan):
            names = "\n".join(f"  {name}" for name in plan)
            raise SystemExit(f"No benchmark's name contains {part!r}. There are\n{names}")
    return {
        name: measure
        for name, measure in plan.items()
        if not parts or any(part in name for part in parts)
    }


#: Benchmarks that ratios compare.
_DELAY, _INSERT, _BACKEND = "Celery .delay() loop", "Celery + INSERT", "Celery SQL backend"
_BATCHES, _BEAT = "celery-batches", "django-celery-beat"
_DRAMATIQ, _PROCRASTINATE = "Dramatiq + INSERT", "Procrastinate + INSERT"
_LAUNCH, _FINISH = "launching", "finishing, default settings"
_COLD = "finishing, default settings, a job's first launch"
_NAP, _RECORDED = "Celery + INSERT, a job of 1 ms", "recorded start, default settings"
_SLOW = "1,000 runs behind one of 30 s"
_SCHEDULES, _TICK = "own schedules", "a tick with 10 due"
_TICK_TO_LAST = "tick to last row,"
_LEAST, _MOST = (
    f"{_TICK_TO_LAST} {size}: peak memory of the launcher, MB" for size in ("1,000", "1,000,000")
)


def _plan(*, quick: bool) -> dict[str, Callable[[], Figures]]:
    few, some, many = (2_000, 10_000, 50_000) if quick else (6_000, 20_000, 200_000)
    sizes = (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    rate = "per second"
    dues = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    # Run compared benchmarks one after the other, because the machine's speed varies over hours.
    return {
        "limit: py-amqp publish": lambda: {rate: limits.raw_publish(some)},
        "limit: single-row commits": lambda: {rate: limits.single_commits(few)},
        "limit: bulk insert": lambda: {rate: limits.bulk_insert(many)},
        _DELAY: lambda: {rate: others.delay_loop(few)},
        **{
            f"{_LAUNCH} {size:,}": lambda size=size: ours.launching(size)  # type: ignore[misc]
            for size in sizes
        },
        _INSERT: lambda: {rate: others.celery_finishing(few, task="peer.insert")},
        _BACKEND: lambda: {
            rate: others.celery_finishing(few // 2, task="peer.nothing", backend=True)
        },
        _FINISH: lambda: ours.finishing(some, warm=True),
        _COLD: lambda: ours.finishing(some, warm=False),
        _NAP: lambda: {rate: others.celery_finishing(few, task="peer.nap")},
        _RECORDED: lambda: ours.finishing(some, warm=True, job="nap"),
        _SLOW: lambda: ours.behind_a_slow_one(1_000),
        _BATCHES: lambda: {
            rate: others.celery_finishing(some // 2, task="peer.batch", prefetch=200)
        },
        _DRAMATIQ: lambda: others.dramatiq(few),
        _PROCRASTINATE: lambda: others.procrastinate(few // 2),
        **{
            f"{_TICK_TO_LAST} {size:,}": lambda size=size: million.tick_to_last_row(size)  # type: ignore[misc]
            for size in (sizes[1:] if quick else sizes)
        },
        "few runs": few_runs.few,
        **{
            f"{_BEAT} {size:,}": lambda size=size: {  # type: ignore[misc]
                rate: others.django_celery_beat(size)
            }
            for size in ((1_000,) if quick else (1_000, 10_000))
        },
        **{
            f"{_SCHEDULES} {size:,}": lambda size=size: {  # type: ignore[misc]
                rate: ours.scheduling(size)
            }
            for size in dues
        },
        _TICK: lambda: {"ms of the database": ours.idle_tick(some if quick else 100_000)},
        "pages": lambda: pages.pages((10_000,) if quick else (10_000, 1_000_000)),
        "import": lambda: imports.imports(3 if quick else 9),
    }


def _ratios(figures: Figures) -> Figures:
    rate = "per second"
    pairs = {
        "launching : .delay() loop": (f"{_LAUNCH} 10,000: launched runs/s", f"{_DELAY}: {rate}"),
        "launching 1,000,000 : 10,000": (
            f"{_LAUNCH} 1,000,000: launched runs/s",
            f"{_LAUNCH} 10,000: launched runs/s",
        ),
        **{
            f"{ours_} : {theirs.partition(':')[0]}": (f"{ours_}: finished runs/s", theirs)
            for ours_ in (_FINISH, _COLD)
            for theirs in (
                *(f"{peer}: {rate}" for peer in (_INSERT, _BACKEND, _BATCHES)),
                *(f"{peer}: finished/s" for peer in (_DRAMATIQ, _PROCRASTINATE)),
            )
        },
        "recorded start, default settings : Celery + INSERT": (
            f"{_RECORDED}: finished runs/s",
            f"{_NAP}: {rate}",
        ),
        **{
            f"own schedules : django-celery-beat, {size}": (
                f"{_SCHEDULES} {size}: {rate}",
                f"{_BEAT} {size}: {rate}",
            )
            for size in ("1,000", "10,000")
        },
    }
    for key in figures:
        page = key.removeprefix("pages: 1,000,000 results: ")
        if page != key:
            pairs[f"page of {page}, 1,000,000 : 10,000 results"] = (
                key,
                f"pages: 10,000 results: {page}",
            )
    return {
        name: figures[ours_] / figures[theirs]
        for name, (ours_, theirs) in pairs.items()
        if ours_ in figures and theirs in figures
    }


if __name__ == "__main__":
    sys.exit(main())
