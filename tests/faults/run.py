"""Inject faults into real processes, and count lost and duplicate runs.

python tests/faults/run.py                     every fault, three times
python tests/faults/run.py --only "broker"     those whose name contains it
python tests/faults/run.py --short 300         as many as fit into 300 s, once each
python tests/faults/run.py --soak 10 --seed 1  faults at random moments for ten minutes
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    # The folder of this script, where e.g. a module called ``queue`` would hide Python's.
    sys.path[:] = [entry for entry in sys.path if Path(entry) != Path(__file__).resolve().parent]

from faults import (
    areas,  # noqa: F401 - fills FAULTS
    janitor,
    mode,
    report,
    soak,
)
from faults.catalogue import AREAS, FAULTS
from faults.judge import Verdict
from faults.lanes import Show, chosen, turns
from faults.stages.servers import Missing

#: About as many faults as run in a minute, each of another area.
AREAS_IN_SHORT = 8


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument("--only", action="append", default=[], help="part of a name; repeatable")
    parser.add_argument(
        "--area", action="append", default=[], choices=AREAS, help="only these; repeatable"
    )
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each fault")
    parser.add_argument(
        "--short",
        type=float,
        nargs="?",
        const=300.0,
        metavar="SECONDS",
        help="run faults once each until the time is up, first one of each area; the seed chooses"
        " the first area (300 s)",
    )
    parser.add_argument("--lanes", type=int, default=2, help="number of faults at the same time")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="faults at random moments")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of random moments and of the soak's faults"
    )
    parser.add_argument(
        "--together",
        type=int,
        default=1,
        metavar="N",
        help="runs of one message",
    )
    parser.add_argument(
        "--pool",
        choices=("prefork", "solo", "threads", "gevent"),
        default="prefork",
        help="the workers' pool; without prefork, faults of pool processes are left out",
    )
    parser.add_argument("--broker", choices=("rabbitmq", "redis"), default="rabbitmq")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="factor for all waiting, for a busy machine"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    return parser.parse_args()


def _list() -> None:
    for area in AREAS:
        print(area)
        for fault in FAULTS:
            if fault.area == area:
                print(f"  {fault.name}: {fault.about}")
    print(f"{len(FAULTS)} faults")


def _say(text: str) -> None:
    print(text, flush=True)


def _play(arguments: argparse.Namespace) -> tuple[list[Verdict], tuple[str, str]]:
    if arguments.soak is not None:
        return soak.play(minutes=arguments.soak, seed=arguments.seed, say=_say)
    short = arguments.short is not None
    faults = chosen(arguments.only, arguments.area, short=short and not arguments.only)
    if not faults:
        raise SystemExit("There is no such fault in this mode: see --list.")
    show = Show(
        # The next seed begins with the faults that this one has no time for.
        turns(faults, 1, first=AREAS_IN_SHORT * (arguments.seed - 1))
        if short
        else turns(faults, arguments.repeat),
        lanes=arguments.lanes,
        short=short,
        seed=arguments.seed,
        budget_seconds=arguments.short,
    )
    show.run(_say)
    if show.broken:
        raise show.broken[0]
    return show.verdicts, show.versions


def main() -> int:
    """Run the chosen faults; return 1 if runs were lost or duplicated, or checks failed."""
    arguments = _arguments()
    if arguments.list:
        _list()
        return 0
    # Both signals end it with a cleanup; a shell's background jobs ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    janitor.employ()
    mode.play_in(
        mode.Mode(
            per_message=arguments.together,
            pool=arguments.pool,
            broker=arguments.broker,
            patience=arguments.patience,
        )
    )
    try:
        verdicts, versions = _play(arguments)
    except Missing as missing:
        _say(f"skipped: {missing}")
        return 1 if os.environ.get("CI") == "true" else 0
    except KeyboardInterrupt:
        return 130
    where = report.conditions(*versions)
    _say("\n" + report.as_text(verdicts))
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(verdicts, where), indent=2) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(report.as_markdown(verdicts, where))
    return 0 if verdicts and all(verdict.good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
