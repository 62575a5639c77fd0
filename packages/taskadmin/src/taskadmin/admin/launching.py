"""A person starts runs: queue them, send them, say what happened in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4, uuid5

from ..errors import BrokerUnavailable
from ..i18n import grouped
from ..state import State
from ..store import launches
from ..store.by_hand import ManualLaunch
from ..store.run_details import reasons_of_skips
from ..texts import gettext, ngettext

log = logging.getLogger("taskadmin.admin")

#: Runs of one launch; only what one launch holds is sent while the person waits.
_BATCH = 1_000
#: Reasons for skipped runs that a sentence names.
_REASONS = 2

Launching = Callable[[Sequence[int], UUID, UUID], ManualLaunch]


class Outcome(NamedTuple):
    """The sentence to show, and Flask's category of it."""

    sentence: str
    category: str = "success"
    #: The launch, if there is exactly one new one.
    launch_id: int | None = None


def start_runs(
    state: State, ids: Sequence[int], form_key: str | None, launch: Launching, *, gone: str
) -> Outcome:
    """Launch *ids* in batches and say what happened.

    Args:
        form_key: Made with the page; a second submit of the same selection from the same
            page starts nothing.
        launch: Queues the runs of a batch; is given its ids, its request key and the owner.
        gone: What is said if there was nothing to start, as a sentence.
    """
    owner = uuid4()
    keys = _request_keys(form_key, ids)
    made = [
        launch(ids[begin : begin + _BATCH], keys(begin), owner)
        for begin in range(0, len(ids), _BATCH)
    ]
    new = [one for one in made if one.new]
    if not new:
        return Outcome(gettext("These runs were started already; nothing was started twice."))
    runs = sum(one.runs for one in new)
    skips = _skips(state, [one.launch_id for one in new], sum(one.skipped for one in new))
    only = new[0].launch_id if len(made) == 1 else None
    if not runs:
        for one in new:
            launches.release(state.session, one.launch_id, owner)
        sentence = gone if skips is None else gettext("No run was started; %(why)s", why=skips)
        return Outcome(sentence, "danger", only)
    sentence = _send(state, owner, new, runs)
    if skips is None:
        return Outcome(gettext("%(what)s.", what=sentence), launch_id=only)
    return Outcome(gettext("%(one)s; %(other)s", one=sentence, other=skips), launch_id=only)


def _send(state: State, owner: UUID, made: Sequence[ManualLaunch], runs: int) -> str:
    if state.publish is None or len(made) > 1:
        for one in made:
            launches.release(state.session, one.launch_id, owner)
        if state.publish is None:
            return ngettext(
                "%(num)s run is queued. This application sends nothing itself: a launcher does",
                "%(num)s runs are queued. This application sends nothing itself: a launcher does",
                runs,
            )
        return ngettext(
            "%(num)s run is queued, and the launcher sends it to the workers",
            "%(num)s runs are queued, and the launcher sends them to the workers",
            runs,
        )
    launch_id = made[0].launch_id
    try:
        state.publish(launch_id, owner)
    except BrokerUnavailable as error:
        log.warning("%s", error, extra={"launch_id": launch_id})
        launches.release(state.session, launch_id, owner)
        return ngettext(
            "%(num)s run is queued and will be sent when the broker is back",
            "%(num)s runs are queued and will be sent when the broker is back",
            runs,
        )
    except launches.LaunchLost:
        pass  # this request took a minute, and a launcher sends the rest
    return ngettext(
        "%(num)s run is queued and sent to the workers",
        "%(num)s runs are queued and sent to the workers",
        runs,
    )


def _skips(state: State, launch_ids: Sequence[int], number: int) -> str | None:
    if not number:
        return None
    reasons = reasons_of_skips(state.session, launch_ids)
    told = " ".join(
        reason
        if count == number
        else gettext("%(reason)s (%(count)s)", reason=reason, count=grouped(count))
        for reason, count in reasons[:_REASONS]
    )
    if len(reasons) > _REASONS:
        return ngettext(
            "%(num)s was skipped: %(reasons)s The rows of the others say why.",
            "%(num)s were skipped: %(reasons)s The rows of the others say why.",
            number,
            reasons=told,
        )
    return ngettext(
        "%(num)s was skipped: %(reasons)s",
        "%(num)s were skipped: %(reasons)s",
        number,
        reasons=told,
    )


def _request_keys(form_key: str | None, ids: Sequence[int]) -> Callable[[int], UUID]:
    """A key for each batch, which is the same for the same selection from the same page."""
    try:
        page = UUID(form_key or "")
    except ValueError:
        page = uuid4()
    selection = uuid5(page, ",".join(map(str, ids)))
    return lambda begin: uuid5(selection, str(begin)) if begin else selection
