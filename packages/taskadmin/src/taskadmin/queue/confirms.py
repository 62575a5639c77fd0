"""Sending many messages before waiting: the broker confirms them in any order, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice, takewhile
from struct import Struct
from typing import Any

from .prepared import Prepared

#: Messages of one write, and messages under way at once.
_WRITTEN, _UNDER_WAY = 100, 1_000
# AMQP 0-9-1, 2.3.5 and 4.2.6.
_FRAME, _END = Struct(">BHI"), b"\xce"
_BASIC = 60
#: The frame's own header, class, weight and size of the body; properties follow.
_CONTENT = Struct(">BHIHHQ")
_CONTENT_SIZE = _CONTENT.size - _FRAME.size
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
        #: ``basic.publish`` as it goes over the wire, by exchange and routing key.
        self._methods: dict[tuple[str, str], bytes] = {}
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        channel.confirm_select()

    def send(
        self,
        messages: Iterable[Prepared],
        confirmed: bytearray,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Send messages, and wait until the broker has judged each of them.

        Args:
            messages: Made while the broker is at those before them, if they are an iterator.
            confirmed: One byte for each, 0; set to 1 as soon as a queue has the message. It
                says so, too, when an error ends this.
            meanwhile: Called when all are sent and the broker is at the last of them.

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
        try:
            meanwhile()
        finally:
            self._drain(0)

    def _drain(self, most: int) -> None:
        """Wait until so many messages at most are under way."""
        while len(self._waiting) > most:
            self._channel.connection.drain_events()

    def _frames(self, message: Prepared) -> bytes:
        """``basic.publish``, the content's header and its body, as AMQP 0-9-1 has them.

        py-amqp would encode the same few bytes anew for each message, and write each by itself.
        """
        where = message.exchange, message.routing_key
        method = self._methods.get(where)
        if method is None:
            method = self._methods[where] = self._publish(*where)
        channel, properties, body = self._channel.channel_id, message.properties, message.body
        size = len(body)
        return b"".join(
            (
                method,
                _CONTENT.pack(2, channel, _CONTENT_SIZE + len(properties), _BASIC, 0, size),
                *(properties, _END),
                *(_FRAME.pack(3, channel, size), body, _END),
            )
        )

    def _publish(self, exchange: str, routing_key: str) -> bytes:
        names = exchange.encode(), routing_key.encode()
        texts = (bytes((len(name),)) + name for name in names)
        payload = b"".join((_PUBLISH, *texts, _MANDATORY))
        return _FRAME.pack(1, self._channel.channel_id, len(payload)) + payload + _END

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
