"""Upgrade running processes from earlier versions, go back, and count what was lost.

python tests/upgrade/run.py                  each earlier version, in both orders
python tests/upgrade/run.py --short          one of them, with one of each process
python tests/upgrade/run.py --from COMMIT    another version
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from faults import janitor, mode
from faults.judge import Verdict
from upgrade.rolling import ORDERS, SHORT_ORDER, Servers, Upgrade
from upgrade.versions import EARLIER, Missing, Version, build


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--environments",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where earlier versions are installed, once",
    )
    parser.add_argument(
        "--from", dest="commits", action="append", metavar="COMMIT", help="upgrade from it"
    )
    parser.add_argument("--short", action="store_true", help="one version, one of each process")
    return parser.parse_args()


def _play(arguments: argparse.Namespace) -> bool:
    commits = arguments.commits or list(EARLIER.values())
    orders = ORDERS
    if arguments.short:
        commits, orders = commits[-1:], {"one of each": SHORT_ORDER}
    versions = [build(commit, arguments.environments.resolve()) for commit in commits]
    servers = Servers(short=arguments.short, seed=1)
    try:
        verdicts = [
            _upgrade(servers, version, name, order)
            for version in versions
            for name, order in orders.items()
        ]
    finally:
        servers.close()
    return all(verdict.good for verdict in verdicts)


def _upgrade(servers: Servers, version: Version, name: str, order: Sequence[str]) -> Verdict:
    upgrade = Upgrade(version, order)
    verdict = upgrade.play(servers, f"from {version.name}, {name}")
    _say(verdict.line())
    _say(f"     {upgrade.result.line()}")
    for problem in verdict.problems:
        _say(f"     {problem}")
    if not verdict.good:
        _say(verdict.logs)
    return verdict


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Play the upgrades; return 1 if anything was lost or failed."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    janitor.employ()
    # Newer launchers send messages of several runs to older workers.
    mode.play_in(mode.Mode(per_message=4))
    try:
        return 0 if _play(arguments) else 1
    except Missing as missing:
        _say(str(missing))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
