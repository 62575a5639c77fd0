"""Sending many messages before waiting: the broker confirms them in any order, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, takewhile
from struct import Struct
from typing import Any

from .prepared import Prepared

#: Messages of one write, and messages under way at once.
_WRITTEN, _UNDER_WAY = 100, 1_000
# AMQP 0-9-1, 2.3.5 and 4.2.6.
_FRAME, _HEADER, _END = Struct(">BHI"), Struct(">HHQ"), b"\xce"
_BASIC = 60
#: Class, method, and a number that is reserved.
_PUBLISH = Struct(">HHH").pack(_BASIC, 40, 0)
#: The first of two bits; the other one is "immediate".
_MANDATORY = b"\x01"


class ConfirmedChannel:
    """A channel of py-amqp on which many messages are under way at once."""

    def __init__(self, channel: Any) -> None:
        """Take over *channel*, which nothing was published on yet."""
        self._channel = channel
        #: Of the next message; the broker counts, too.
        self._next_tag = 1
        self._waiting: dict[int, int] = {}
        self._refused: set[int] = set()
        self._places: dict[str, int] = {}
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        channel.confirm_select()

    def send(self, messages: Iterable[Prepared], confirmed: bytearray) -> None:
        """Send messages, and wait until the broker has judged each of them.

        Args:
            messages: Made while the broker is at those before them, if they are an iterator.
            confirmed: One byte for each, 0; set to 1 as soon as a queue has the message. It
                says so, too, when an error ends this.

        Raises:
            Exception: Whatever the connection raises: the broker is away, or has closed the
                channel.
        """
        self._waiting.clear()
        self._refused.clear()
        self._places.clear()
        self._confirmed = confirmed
        all_of_them = enumerate(messages)
        while some := list(islice(all_of_them, _WRITTEN)):
            frames = bytearray()
            for place, message in some:
                frames += self._frames(message)
                self._places[message.task_id] = place
                self._waiting[self._next_tag] = place
                self._next_tag += 1
            self._channel.connection.transport.write(frames)
            self._drain(_UNDER_WAY)
        self._drain(0)

    def _drain(self, most: int) -> None:
        """Wait until so many messages at most are under way."""
        while len(self._waiting) > most:
            self._channel.connection.drain_events()

    def _frames(self, message: Prepared) -> bytes:
        """``basic.publish``, the content's header and its body, as AMQP 0-9-1 has them.

        py-amqp would encode the same few bytes anew for each message, and write each by itself.
        """
        exchange, key = message.exchange.encode(), message.routing_key.encode()
        method = b"".join(
            (
                *(_PUBLISH, bytes((len(exchange),)), exchange, bytes((len(key),)), key),
                _MANDATORY,
            )
        )
        header = _HEADER.pack(_BASIC, 0, len(message.body)) + message.properties
        return self._frame(1, method) + self._frame(2, header) + self._frame(3, message.body)

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return _FRAME.pack(kind, self._channel.channel_id, len(payload)) + payload + _END

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for place in self._judged(tag, multiple):
            # What no queue takes is returned first, and then confirmed.
            if place not in self._refused:
                self._confirmed[place] = 1

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._judged(tag, multiple)

    def _judged(self, tag: int, multiple: bool) -> list[int]:
        tags = takewhile(tag.__ge__, self._waiting) if multiple else (tag,)
        return [self._waiting.pop(one) for one in list(tags) if one in self._waiting]

    def _on_return(self, _error: Any, _exchange: str, _key: str, message: Any) -> None:
        place = self._places.get(message.properties.get("correlation_id", ""))
        if place is not None:
            self._refused.add(place)
