"""One request at a time: a thread that works through a queue, and tickets that wait for their events."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from interp.errors import TranslocalError, reason_of

Event = dict[str, Any]
Work = Callable[[], Iterator[Event]]

MOST_WAITING = 16
"""Requests that may wait at once."""


class Full(Exception):
    """Too many requests wait already."""


class Ticket:
    """A request in the queue; its events come through `events`, the last one is `end`, `stopped` or `error`."""

    def __init__(self, panel: str, work: Work) -> None:
        self.panel, self.work = panel, work
        self.stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Hand over an event, from any thread; lost where nobody listens any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come. Where the listener goes away, the request is stopped."""
        try:
            while True:
                event = await self._events.get()
                yield event
                if event["event"] in ("end", "stopped", "error"):
                    return
        finally:
            self.stopped.set()


class Line:
    """The queue and its thread. A new request of a panel stops the panel's earlier ones."""

    def __init__(self) -> None:
        self._waiting: deque[Ticket] = deque()
        self._running: Ticket | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="answers", daemon=True).start()

    def submit(self, panel: str, work: Work) -> Ticket:
        """Put a request at the end of the queue. Raises Full if too many wait."""
        ticket = Ticket(panel, work)
        with self._changed:
            for left in [one for one in self._waiting if one.stopped.is_set()]:
                self._waiting.remove(left)
            if sum(one.panel != panel for one in self._waiting) >= MOST_WAITING:
                raise Full
            self._stop(panel)
            self._waiting.append(ticket)
            self._tell()
            self._changed.notify()
        return ticket

    def stop(self, panel: str) -> None:
        """Stop a panel's requests, running or waiting."""
        with self._changed:
            self._stop(panel)
            self._tell()

    def _stop(self, panel: str) -> None:
        for ticket in [*self._waiting, *([self._running] if self._running else [])]:
            if ticket.panel == panel:
                ticket.stopped.set()
        for ticket in [ticket for ticket in self._waiting if ticket.stopped.is_set()]:
            self._waiting.remove(ticket)
            ticket.put({"event": "stopped"})

    def _tell(self) -> None:
        """Say to everyone who waits how many are ahead."""
        for place, ticket in enumerate(self._waiting):
            ticket.put({"event": "queued", "ahead": place + bool(self._running)})

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                ticket = self._running = self._waiting.popleft()
                self._tell()
            ticket.put({"event": "begun"})
            ticket.put(_worked(ticket))
            with self._changed:
                self._running = None

    def close(self) -> None:
        """Stop everything, as the server ends."""
        with self._changed:
            for ticket in [*self._waiting, *([self._running] if self._running else [])]:
                ticket.stopped.set()
                ticket.put({"event": "stopped"})
            self._waiting.clear()


def _worked(ticket: Ticket) -> Event:
    """Work through a request; its last event."""
    if ticket.stopped.is_set():
        return {"event": "stopped"}
    try:
        for event in ticket.work():
            if ticket.stopped.is_set():
                return {"event": "stopped"}
            ticket.put(event)
    except TranslocalError as error:
        return {"event": "error", "message": str(error)}
    except Exception as error:  # the page says so, and the next request is answered all the same
        with suppress(OSError, ValueError):  # where nobody reads the terminal any more
            traceback.print_exc()
        return {"event": "error", "message": f"the model failed: {reason_of(error) or type(error).__name__}"}
    return {"event": "end"}
