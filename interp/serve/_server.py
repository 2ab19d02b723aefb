"""From a run or a model to a page: the server, its address, and how it ends."""

from __future__ import annotations

import socket
import tempfile
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from html import escape
from pathlib import Path
from threading import Thread

import uvicorn

import interp.serve as room  # the desk needs torch: it is loaded in its own thread, behind the page
from figures import DrawingError, RunTables
from figures.report import desk_html, report_html
from interp.errors import ConfigError, OutputError, reason_of
from interp.serve._app import Office, make_app
from interp.study.config import RunConfig
from interp.study.folder import read_manifest

EVERYWHERE = ("", "0.0.0.0", "::")
LOCAL = ("127.0.0.1", "localhost", "::1")
PORTS = range(8760, 8780)
"""Where no port is named, the first of these that is free."""


def serve(
    place: Path | RunConfig, *, host: str = LOCAL[0], port: int | None = None, browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Serve the report of a finished run with its model behind it, until Ctrl-C.

    place: the run's folder, or the settings of a model without a run, whose vectors are fitted first. say: told the
    address. browser: also open it. Raises a TranslocalError for a folder that is no finished run, and a port or host
    that can't be had.
    """
    if host in EVERYWHERE:
        raise ConfigError(
            f"host {host!r} is not allowed", allowed="one address of this machine",
            remedy="pass the address by which others reach it",
        )  # fmt: skip
    if isinstance(place, Path):
        folder = place
        try:
            page = report_html(RunTables.of(folder), read_manifest(folder), live=True)
        except DrawingError as error:
            raise OutputError(f"{folder} has no report: {error}", allowed="the folder of `interp run`") from error
        office = Office(page, lambda say: room.run_desk(folder, say), folder)
    else:
        office = Office(desk_html(place.model), lambda say: room.fitted_desk(place, say), None)
    taken = listening(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{taken.getsockname()[1]}/?token={office.token}"
    app = make_app(office, [*LOCAL[:2], "[::1]", shown])
    say(address)
    office.begin()
    if browser:
        Thread(target=_show, args=(address,), name="browser", daemon=True).start()
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    try:
        uvicorn.Server(config).run(sockets=[taken])
    finally:
        office.line.close()


def _show(address: str) -> None:
    """Open the address in a browser, by a file that only this user can read: no process list shows the token."""
    time.sleep(1)  # until the server listens to requests
    with tempfile.TemporaryDirectory() as folder, suppress(webbrowser.Error):
        if type(webbrowser.get()) is webbrowser.GenericBrowser:
            return  # a browser in the terminal
        file = Path(folder) / "open.html"
        file.write_text(f'<meta http-equiv="refresh" content="0; url={escape(address)}">', encoding="utf-8")
        webbrowser.open(file.as_uri())
        time.sleep(30)


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens at a port, by default the first free one of PORTS. Raises ConfigError if there is none."""
    reason = ""
    for number in PORTS if port is None else (port,):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, number), family=family)
        except OSError as error:
            reason = reason_of(error)
    which = f"port {port}" if port is not None else f"ports {PORTS[0]} to {PORTS[-1]}"
    raise ConfigError(f"{which} of {host} can't be used: {reason}", remedy="pass another --port or --host")
