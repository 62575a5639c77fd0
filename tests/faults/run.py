"""Do faults to real processes and count what is lost and doubled.

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
from faults.servers import Missing


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    parser.add_argument("--only", action="append", default=[], help="part of a name; repeatable")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each fault")
    parser.add_argument(
        "--short",
        type=float,
        nargs="?",
        const=300.0,
        metavar="SECONDS",
        help="once each, until the time is used up; first one of each area (300 s)",
    )
    parser.add_argument("--lanes", type=int, default=2, help="how many are played at once")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="faults at random moments")
    parser.add_argument(
        "--seed", type=int, default=1, help="of random moments, and of the soak's faults"
    )
    parser.add_argument(
        "--together",
        type=int,
        default=1,
        metavar="N",
        help="runs of one message",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=1,
        metavar="N",
        help="messages of one run that a worker executes together",
    )
    parser.add_argument(
        "--pool",
        choices=("prefork", "solo"),
        default="prefork",
        help="Celery's pool of the workers; solo leaves out faults of a pool's processes",
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
    faults = chosen(arguments.only, short=short and not arguments.only)
    if not faults:
        raise SystemExit(f"No fault's name contains {' or '.join(arguments.only)}.")
    show = Show(
        turns(faults, 1 if short else arguments.repeat),
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
    """Play what the command line asks for; 1 if something was lost, doubled or unexpected."""
    arguments = _arguments()
    if arguments.list:
        _list()
        return 0
    # Either ends it with everything removed; a shell starts background jobs without SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    janitor.employ()
    mode.play_in(
        mode.Mode(
            per_message=arguments.together,
            # Runs that come alone, as those that are sent again do, are executed together, too.
            at_once=max(arguments.at_once, arguments.together),
            pool=arguments.pool,
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
