"""The server's routes, and who may use them: pages of this server alone, with the token of its address."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import interp.serve as room  # what needs torch is loaded when it is first asked for, behind the page
from interp.errors import ConfigError, TranslocalError, reason_of
from interp.serve._asking import MOST_BYTES, Ask, read_ask
from interp.serve._notes import add_note, checked_note, read_notes
from interp.serve._queue import Event, Full, Line

if TYPE_CHECKING:
    from interp.serve._desk import Desk

    Open = Callable[[Callable[[str], None]], Desk]

HEADERS = {
    "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}  # fmt: skip
PER_SECOND, BURST = 20.0, 60.0
"""Requests to the model: so many a second in the long run, and at once."""


@dataclass
class Office:
    """What the routes share: the desk, once it is there, and what goes on until then."""

    page: str
    open: Open
    folder: Path | None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    desk: Desk | None = None
    says: str = "starting"
    failed: str = ""
    line: Line = field(default_factory=Line)
    _tokens: float = BURST
    _seen: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Open the desk in a thread of its own."""
        Thread(target=self._open, name="opening", daemon=True).start()

    def _open(self) -> None:
        try:
            self.desk = self.open(self._say)
        except TranslocalError as error:
            self.failed = str(error)
        except Exception as error:
            self.failed = f"the model can't be opened: {reason_of(error) or type(error).__name__}"
            raise

    def _say(self, text: str) -> None:
        self.says = text

    def ready(self) -> Desk:
        """The desk; 503 until it is open."""
        if self.desk is None:
            raise HTTPException(503, self.failed or f"the model is not ready: {self.says}")
        return self.desk

    def spend(self) -> None:
        """Take part in the rate of requests; 429 where it is used up."""
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + PER_SECOND * (now - self._seen))
        self._seen = now
        if self._tokens < 1:
            raise HTTPException(429, f"too many requests: at most {PER_SECOND:.0f} a second; wait a moment")
        self._tokens -= 1


def make_app(office: Office, hosts: list[str]) -> Starlette:
    """The application. hosts: names under which pages may reach it, without port."""
    routes = [
        Route("/", partial(_page, office)),
        Route("/state", partial(_state, office)),
        Route("/desk", partial(_catalogue, office)),
        Route("/ask", partial(_ask, office), methods=["POST"]),
        Route("/stop", partial(_stop, office), methods=["POST"]),
        Route("/plan", partial(_plan, office), methods=["POST"]),
        Route("/notes", partial(_notes, office), methods=["GET", "POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={HTTPException: _refused, TranslocalError: _mistaken},
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code, headers=HEADERS)


async def _mistaken(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400, headers=HEADERS)


def _admit(office: Office, request: Request) -> None:
    """403 for a request that no page of this server made."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(given.encode(), office.token.encode()):
        raise HTTPException(403, "the token is missing or wrong: open the address that `interp open` printed")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise HTTPException(403, "requests of other pages are refused")


async def _body(request: Request) -> bytes:
    """The body; 413 for one that is too long, which is not read to its end."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MOST_BYTES:
            raise HTTPException(413, f"the request is too long: at most {MOST_BYTES // 1024} KiB")
    return bytes(found)


async def _asked(request: Request) -> Ask:
    return read_ask(await _body(request))


def _panel(request: Request) -> str:
    panel = request.headers.get("x-panel", "")
    if not (panel.isalnum() and len(panel) <= 40):
        raise HTTPException(400, "the header X-Panel must name the page's panel: letters and digits")
    return panel


async def _page(office: Office, request: Request) -> Response:
    given = request.query_params.get("token", "")
    if not secrets.compare_digest(given.encode(), office.token.encode()):
        raise HTTPException(403, "the token is missing or wrong: open the address that `interp open` printed")
    return HTMLResponse(office.page, headers=HEADERS)


async def _state(office: Office, request: Request) -> Response:
    _admit(office, request)
    told = {"ready": office.desk is not None, "says": office.says, "failed": office.failed}
    return JSONResponse(told, headers=HEADERS)


async def _catalogue(office: Office, request: Request) -> Response:
    _admit(office, request)
    return JSONResponse(office.ready().catalogue() | {"notes": office.folder is not None}, headers=HEADERS)


async def _ask(office: Office, request: Request) -> Response:
    _admit(office, request)
    desk, panel = office.ready(), _panel(request)
    office.spend()
    ask = await _asked(request)
    try:
        ticket = office.line.submit(panel, partial(desk.answer, ask))
    except Full:
        raise HTTPException(429, "too many requests wait already; try again when they are answered") from None
    return StreamingResponse(_lines(ticket.events()), media_type="application/x-ndjson", headers=HEADERS)


async def _lines(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    async for event in events:
        yield json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"


async def _stop(office: Office, request: Request) -> Response:
    _admit(office, request)
    office.line.stop(_panel(request))
    return Response(status_code=204, headers=HEADERS)


async def _plan(office: Office, request: Request) -> Response:
    _admit(office, request)
    desk, ask = office.ready(), await _asked(request)
    told = {"plan": room.plan_document(desk, ask, office.folder), "python": room.plan_python(desk, ask, office.folder)}
    return JSONResponse(told, headers=HEADERS)


async def _notes(office: Office, request: Request) -> Response:
    _admit(office, request)
    if office.folder is None:
        raise HTTPException(404, "there is no run to keep notes in: open one with `interp open RUN`")
    if request.method == "POST":
        add_note(office.folder, _note(await _body(request)))
    return JSONResponse(read_notes(office.folder), headers=HEADERS)


def _note(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        raise ConfigError("the note can't be read", allowed="JSON") from None
    return checked_note(given)
