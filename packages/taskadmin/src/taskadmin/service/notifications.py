"""Channels of notifications and their rules."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select

from ..errors import InvalidChannel, RegistrationError, UnknownChannel
from ..jobs import all_jobs
from ..models import (
    GLOBAL_EVENTS,
    ChannelKind,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    User,
)
from ..schedules import InvalidSchedule
from ..schedules.zones import get_zone
from ..state import get_state
from ..store.notifications import channels, sending
from ..store.notifications.quiet_hours import is_clock_time
from ..store.people import codes
from ..store.people.audit import Actor
from ..translation.texts import gettext
from ..values.ids import can_be_id
from .runs import Started, start_task
from .second_factors import sealing_keys
from .tasks import actor_or_application, existing_task

_PURPOSE = "taskadmin notifications"
_MAX_NAME_CHARACTERS, _MAX_ADDRESS_CHARACTERS, _MAX_GATHER_SECONDS = 100, 2000, 86_400
#: Bytes of a new signing key; the specification allows 24 to 64.
_KEY_BYTES = 32
#: Maximum of a rule's number, by event; other events have no number.
MAX_NUMBERS: Mapping[NotifiedEvent, int] = {
    NotifiedEvent.FAILED_IN_A_ROW: 100,
    NotifiedEvent.LATE: 31_536_000,
    NotifiedEvent.SLOW: 86_400,
    NotifiedEvent.NO_CONSUMER: 86_400,
    NotifiedEvent.SILENT: 86_400,
}


class ChannelInput(NamedTuple):
    """What a channel can be created with; None for an address or key keeps the current one."""

    name: str
    kind: ChannelKind
    #: URL of a webhook, or of Apprise.
    address: str | None = None
    #: A webhook's key, as ``whsec_`` and base64; a new webhook gets a random one.
    signing_key: str | None = None
    gather_seconds: int = 60
    #: Local times as 22:00; both or none.
    quiet_from: str | None = None
    quiet_until: str | None = None
    zone: str = "UTC"


class ChannelSecrets(NamedTuple):
    """What is needed to send to a channel; never shown."""

    name: str
    kind: ChannelKind
    address: str
    signing_key: str | None


def find_channel(channel_id: int) -> NotificationChannel | None:
    """Return a channel, or None."""
    return channels.find_channel(get_state().session, channel_id) if can_be_id(channel_id) else None


def existing_channel(channel_id: int) -> NotificationChannel:
    """Return a channel.

    Raises:
        UnknownChannel: If there is none.
    """
    found = find_channel(channel_id)
    if found is None:
        raise UnknownChannel(f"There is no channel {channel_id}.")
    return found


def create_channel(
    given: ChannelInput, *, author: int | None = None, actor: Actor | None = None
) -> NotificationChannel:
    """Create a channel.

    Args:
        author: The user whose task delivers its messages; by default the actor.

    Raises:
        InvalidChannel: If a value can't be used.
    """
    by = actor_or_application(actor)
    author = by.user_id if author is None else author
    if author is None or get_state().session.get(User, author) is None:
        raise InvalidChannel(gettext("A channel needs an author: name a user."), field="author")
    if given.kind == ChannelKind.WEBHOOK and not given.signing_key:
        given = given._replace(signing_key=new_signing_key())
    values = _checked(given, None) | {"created_by": author}
    return channels.put_channel(get_state().session, None, values, by)


def edit_channel(
    channel_id: int, given: ChannelInput, *, actor: Actor | None = None
) -> NotificationChannel:
    """Change a channel; its kind stays.

    Raises:
        UnknownChannel: If there is none.
        InvalidChannel: If a value can't be used.
    """
    channel = existing_channel(channel_id)
    values = _checked(given._replace(kind=ChannelKind(channel.kind)), channel)
    return channels.put_channel(get_state().session, channel, values, actor_or_application(actor))


def delete_channel(channel_id: int, *, actor: Actor | None = None) -> None:
    """Delete a channel with its rules and deliveries.

    Raises:
        UnknownChannel: If there is none.
    """
    channel, by = existing_channel(channel_id), actor_or_application(actor)
    channels.delete_channel(get_state().session, channel, actor=by)


def send_test(channel_id: int, *, actor: Actor | None = None) -> Started:
    """Send a test message, whatever the quiet hours.

    Raises:
        UnknownChannel: If there is no such channel.
    """
    channel = existing_channel(channel_id)
    task_id = channels.restored_task(get_state().session, channel)
    return start_task(
        task_id, arguments={"channel": channel.id, **sending.TEST_MESSAGE}, actor=actor
    )


def add_rule(
    channel_id: int,
    event: NotifiedEvent,
    *,
    number: int | None = None,
    job: str | None = None,
    task: int | str | None = None,
    actor: Actor | None = None,
) -> NotificationRule:
    """Tell a channel an event of all tasks, of a job's tasks or of one task; return the rule.

    Args:
        number: Failures or seconds: see ``NotifiedEvent``; None for the default.

    Raises:
        UnknownChannel: If there is no such channel.
        UnknownTask: If there is no such task.
        InvalidChannel: If the event can't have this number or scope.
    """
    channel = existing_channel(channel_id)
    task_id = None if task is None else existing_task(task).id
    _check_rule(event, number, job, task_id)
    return channels.add_rule(
        get_state().session,
        channel,
        event,
        number=number,
        job=job,
        task_id=task_id,
        actor=actor_or_application(actor),
    )


def delete_rule(rule_id: int, *, actor: Actor | None = None) -> bool:
    """Delete a rule; return whether there was one."""
    session = get_state().session
    rule = session.get(NotificationRule, rule_id) if can_be_id(rule_id) else None
    if rule is not None:
        channels.delete_rule(session, rule, actor=actor_or_application(actor))
    return rule is not None


def channel_secrets(channel_id: int) -> ChannelSecrets:
    """Return a channel's decrypted address and key, to send a message.

    Raises:
        UnknownChannel: If there is no such channel.
        InvalidChannel: If they can't be decrypted.
    """
    channel, keys = existing_channel(channel_id), sealing_keys()
    address, key = (
        None if sealed is None else codes.unseal(sealed, keys, purpose=_PURPOSE)
        for sealed in (channel.address, channel.signing_key)
    )
    if address is None or (channel.signing_key is not None and key is None):
        raise InvalidChannel(
            gettext(
                "The address of %(name)s can't be decrypted, since SECRET_KEY has changed: enter it again.",
                name=channel.name,
            )
        )
    return ChannelSecrets(channel.name, ChannelKind(channel.kind), address, key)


def new_signing_key() -> str:
    """Return a random key for a webhook's signatures."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def _checked(given: ChannelInput, channel: NotificationChannel | None) -> dict[str, object]:
    """Return the columns of a channel, with encrypted secrets."""
    name = given.name.strip()
    if not 0 < len(name) <= _MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidChannel(gettext("A name has 1 to 100 printable characters."), field="name")
    same = select(NotificationChannel.id).where(NotificationChannel.name == name)
    if get_state().session.scalar(same) not in (None, channel and channel.id):
        raise InvalidChannel(gettext("Another channel has this name."), field="name")
    if not 0 <= given.gather_seconds <= _MAX_GATHER_SECONDS:
        raise InvalidChannel(
            gettext("Messages are gathered for 0 to 86,400 seconds (at most a day)."),
            field="gather_seconds",
        )
    quiet_from, quiet_until = given.quiet_from or None, given.quiet_until or None
    for field, at in (("quiet_from", quiet_from), ("quiet_until", quiet_until)):
        if at is not None and not is_clock_time(at):
            raise InvalidChannel(gettext("Enter a time such as 22:00."), field=field)
    if (quiet_from is None) != (quiet_until is None):
        raise InvalidChannel(gettext("Quiet hours need a begin and an end."), field="quiet_until")
    try:
        get_zone(given.zone)
    except InvalidSchedule as error:
        raise InvalidChannel(str(error), field="zone") from error
    return {
        "name": name,
        "kind": given.kind,
        "gather_seconds": given.gather_seconds,
        "quiet_from": quiet_from,
        "quiet_until": quiet_until,
        "zone": given.zone,
        **_sealed(given, is_new=channel is None),
    }


def _sealed(given: ChannelInput, *, is_new: bool) -> dict[str, str]:
    sealed, keys = {}, sealing_keys()
    if given.address or is_new:
        address = (given.address or "").strip()
        if not 0 < len(address) <= _MAX_ADDRESS_CHARACTERS or not address.isprintable():
            raise InvalidChannel(gettext("An address has 1 to 2,000 printable characters."))
        _check_address(given.kind, address)
        sealed["address"] = codes.seal(address, keys, purpose=_PURPOSE)
    if given.signing_key and given.kind == ChannelKind.WEBHOOK:
        if not _is_signing_key(given.signing_key):
            raise InvalidChannel(
                gettext("A key is whsec_ with 24 to 64 bytes in base64."), field="signing_key"
            )
        sealed["signing_key"] = codes.seal(given.signing_key, keys, purpose=_PURPOSE)
    return sealed


def _check_address(kind: ChannelKind, address: str) -> None:
    check = get_state().check_channel_address
    if check is None:
        raise RegistrationError(
            "Channels need notifications: call Notifications().init_app(app) after taskadmin's."
        )
    check(kind, address)


def _is_signing_key(key: str) -> bool:
    try:
        size = len(base64.b64decode(key.removeprefix("whsec_"), validate=True))
    except ValueError:
        return False
    return key.startswith("whsec_") and 24 <= size <= 64


def _check_rule(
    event: NotifiedEvent, number: int | None, job: str | None, task_id: int | None
) -> None:
    if job is not None and task_id is not None:
        raise InvalidChannel(gettext("Choose a job or a task, not both."), field="job")
    if event in GLOBAL_EVENTS and (job is not None or task_id is not None):
        raise InvalidChannel(gettext("This event concerns no task."), field="job")
    if job is not None and job not in all_jobs():
        raise InvalidChannel(gettext("No job named %(name)s is registered.", name=job), field="job")
    most = MAX_NUMBERS.get(event)
    if number is not None and most is None:
        raise InvalidChannel(gettext("This event has no number."), field="number")
    if number is not None and not 1 <= number <= (most or 0):
        raise InvalidChannel(
            gettext("Enter a whole number from 1 to %(most)s.", most=most), field="number"
        )
    if number is None and event == NotifiedEvent.FAILED_IN_A_ROW:
        raise InvalidChannel(gettext("Enter the number of failures."), field="number")
