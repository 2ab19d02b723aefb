"""The server: who is let in, the queue, and what attackers get."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
import httpx

from interp.errors import ConfigError, OutputError
from interp.serve import Ask, serve
from interp.serve._app import BURST, HEADERS, Office, make_app
from interp.serve._notes import MOST_NOTES, NOTES, add_note, read_notes
from interp.serve._queue import MOST_WAITING, Full, Line
from interp.serve._server import listening

ASK = {"language": "el", "question": "Τι;", "options": ["α", "β"]}


class Slow:
    """A desk whose answers are numbers, each when it is let go."""

    def __init__(self) -> None:
        self.go, self.asked, self.given = threading.Event(), [], []
        self.go.set()

    def answer(self, ask: Ask) -> Iterator[dict[str, Any]]:
        self.asked.append(ask.question)
        for number in range(3):
            self.go.wait(10)
            self.given.append((ask.question, number))
            yield {"event": "number", "number": number, "question": ask.question}
        if ask.question == "fail":
            raise RuntimeError("out of paper")
        if ask.question == "mistake":
            raise ConfigError("no such thing", remedy="pass another")

    def catalogue(self) -> dict[str, Any]:
        return {"model": "slow"}


def client(office: Office, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(make_app(office, ["127.0.0.1", "localhost"]), raise_app_exceptions=False)
    own = {"Authorization": f"Bearer {office.token}", "X-Panel": "a1"} | headers
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8760", headers=own)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def office(slow: Slow, tmp_path: Path) -> Office:
    office = Office("<p>page</p>", lambda say: slow, tmp_path)  # type: ignore[arg-type, return-value]
    office.desk = slow  # type: ignore[assignment]
    return office


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_page_needs_the_token(office: Office) -> None:
    async def go() -> None:
        async with client(office) as web:
            assert (await web.get("/")).status_code == 403
            assert (await web.get("/", params={"token": "wrong"})).status_code == 403
            found = await web.get("/", params={"token": office.token})
            assert (found.status_code, found.text) == (200, "<p>page</p>")
            assert {name: found.headers[name] for name in HEADERS} == HEADERS

    asyncio.run(go())


@pytest.mark.parametrize("path", ["/state", "/desk", "/ask", "/stop", "/plan", "/notes"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 403),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": "Bearer \xe9"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Host": "evil.example"}, 400),
    ],
)
def test_others_are_refused(office: Office, slow: Slow, path: str, headers: dict[str, str], status: int) -> None:
    async def go() -> None:
        async with client(office) as web:
            method = "POST" if path in ("/ask", "/stop", "/plan") else "GET"
            content = json.dumps(ASK) if method == "POST" else None
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            found = await web.request(method, path, headers=raw, content=content)
            assert found.status_code == status

    asyncio.run(go())
    assert slow.asked == []


def test_an_answer_comes_event_by_event(office: Office) -> None:
    async def go() -> None:
        async with client(office, Origin="http://127.0.0.1:8760") as web:
            found = lines((await web.post("/ask", content=json.dumps(ASK))).text)
        assert found[:2] == [{"event": "queued", "ahead": 0}, {"event": "begun"}]
        assert [event.get("number") for event in found[2:-1]] == [0, 1, 2]
        assert found[-1] == {"event": "end"}

    asyncio.run(go())


@pytest.mark.parametrize(
    ("question", "told"),
    [("mistake", "no such thing; to do: pass another"), ("fail", "the model failed: out of paper")],
)
def test_a_failure_is_told_and_the_next_is_answered(office: Office, question: str, told: str, capsys: Any) -> None:
    async def go() -> None:
        async with client(office) as web:
            found = lines((await web.post("/ask", content=json.dumps({**ASK, "question": question}))).text)
            assert found[-1] == {"event": "error", "message": told}
            assert lines((await web.post("/ask", content=json.dumps(ASK))).text)[-1] == {"event": "end"}

    asyncio.run(go())
    assert ("Traceback" in capsys.readouterr().err) == (question == "fail")  # only what is a fault of ours


def test_a_new_request_of_a_panel_stops_its_older_ones(office: Office, slow: Slow) -> None:
    async def go() -> None:
        slow.go.clear()
        async with client(office) as web:
            asked = [
                asyncio.create_task(web.post("/ask", content=json.dumps({**ASK, "question": str(number)})))
                for number in range(5)
            ]
            await asyncio.sleep(0.3)
            slow.go.set()
            ends = [lines((await one).text)[-1]["event"] for one in asked]
        assert sorted(ends) == ["end"] + ["stopped"] * 4

    asyncio.run(go())
    assert len({question for question, number in slow.given if number == 2}) == 1


def test_panels_wait_for_each_other_and_are_told_so(office: Office, slow: Slow) -> None:
    async def go() -> None:
        slow.go.clear()
        async with client(office) as web:
            asked = []
            for panel in ("a", "b", "c"):
                request = web.post("/ask", headers={"X-Panel": panel}, content=json.dumps({**ASK, "question": panel}))
                asked.append(asyncio.create_task(request))
                await asyncio.sleep(0.1)
            slow.go.set()
            found = [lines((await one).text) for one in asked]
        assert [events[-1]["event"] for events in found] == ["end"] * 3
        assert next(event["ahead"] for event in found[2] if event["event"] == "queued") == 2

    asyncio.run(go())
    assert [question for question, _ in slow.given] == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_stop_ends_a_running_request(office: Office, slow: Slow) -> None:
    async def go() -> None:
        slow.go.clear()
        async with client(office) as web:
            asked = asyncio.create_task(web.post("/ask", content=json.dumps(ASK)))
            await asyncio.sleep(0.2)
            assert (await web.post("/stop")).status_code == 204
            slow.go.set()
            assert lines((await asked).text)[-1] == {"event": "stopped"}

    asyncio.run(go())
    assert len(slow.given) <= 1


def test_a_queue_that_is_full() -> None:
    async def go() -> None:
        line, go = Line(), threading.Event()

        def work() -> Iterator[dict[str, Any]]:
            go.wait(10)
            yield {"event": "x"}

        for number in range(MOST_WAITING + 1):
            line.submit(str(number), work)
            time.sleep(0.05 if number == 0 else 0)
        with pytest.raises(Full):
            line.submit("more", work)
        go.set()

    asyncio.run(go())


def test_what_is_too_long_or_too_much(office: Office, slow: Slow) -> None:
    before = threading.active_count()

    async def go() -> None:
        async with client(office) as web:
            long = await web.post("/ask", content=json.dumps({**ASK, "question": "x" * 10_000_000}))
            assert (long.status_code, long.text) == (413, "the request is too long: at most 64 KiB")
            bad = await web.post("/ask", content=b"{")
            assert bad.status_code == 400
            assert (await web.post("/ask", headers={"X-Panel": "../x"}, content=json.dumps(ASK))).status_code == 400
            asked = [web.post("/ask", headers={"X-Panel": f"p{n}"}, content=json.dumps(ASK)) for n in range(500)]
            found = await asyncio.gather(*asked)
        statuses = [one.status_code for one in found]
        assert set(statuses) <= {200, 429}
        assert 1 <= statuses.count(200) <= BURST + 20
        assert threading.active_count() <= before

    asyncio.run(go())


def test_until_the_model_is_there(tmp_path: Path) -> None:
    def fails(say: Any) -> Any:
        say("loading the model")
        raise ConfigError("no such model")

    office = Office("", fails, tmp_path)

    async def go() -> None:
        async with client(office) as web:
            assert (await web.get("/state")).json() == {"ready": False, "says": "starting", "failed": ""}
            assert (await web.get("/desk")).status_code == 503
            office.begin()
            await asyncio.sleep(0.2)
            told = {"ready": False, "says": "loading the model", "failed": "no such model"}
            assert (await web.get("/state")).json() == told
            assert (await web.post("/ask", content=json.dumps(ASK))).text == "no such model"

    asyncio.run(go())


def test_notes_are_kept_and_only_they(office: Office, tmp_path: Path) -> None:
    note = {"ask": ASK, "answer": ["unsteered: α </script>"]}

    async def go() -> None:
        async with client(office) as web:
            assert (await web.get("/notes")).json() == []
            found = (await web.post("/notes", content=json.dumps(note))).json()
            assert found == [{"ask": ASK, "answer": note["answer"]}]
            for bad in ({"ask": ASK}, {"ask": {"x": 1}, "answer": []}, {"ask": ASK, "answer": [1]}, []):
                assert (await web.post("/notes", content=json.dumps(bad))).status_code == 400
        async with client(Office("", office.open, None)) as web:
            assert (await web.get("/notes")).status_code == 404

    asyncio.run(go())
    assert [path.name for path in tmp_path.iterdir()] == [NOTES]


def test_a_file_of_notes_by_another_hand(tmp_path: Path) -> None:
    file, note = tmp_path / NOTES, {"ask": ASK, "answer": ["one\u2028line"]}
    file.write_text('broken\n{"ask": {}, "answer": []}\n[]\n{}\n{"ask": null, "answer": [1]}', encoding="utf-8")
    assert read_notes(tmp_path) == []
    add_note(tmp_path, note)  # behind a line without an end
    assert [one["answer"] for one in read_notes(tmp_path)] == [["one\u2028line"]]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(OutputError, match="can't be read"):
        read_notes(tmp_path)
    file.write_text((json.dumps(note) + "\n") * MOST_NOTES, encoding="utf-8")
    with pytest.raises(OutputError, match="holds 1000 notes"):
        add_note(tmp_path, note)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    file.unlink()
    file.symlink_to(elsewhere)
    with pytest.raises(OutputError, match="can't be"):
        add_note(tmp_path, note)
    assert elsewhere.read_text() == "mine"


def test_requests_that_were_left_make_room_and_are_not_worked_on() -> None:
    async def go() -> None:
        line, go, worked = Line(), threading.Event(), []

        def work(number: int) -> Iterator[dict[str, Any]]:
            worked.append(number)
            go.wait(10)
            yield {"event": "x"}

        tickets = [line.submit(str(number), partial(work, number)) for number in range(MOST_WAITING)]
        for ticket in tickets[1:]:
            ticket.stopped.set()  # as when a page is closed
        last = line.submit("last", partial(work, 99))
        go.set()
        assert [event["event"] async for event in last.events()][-1] == "end"
        assert worked == [0, 99]

    asyncio.run(go())


def test_the_page_is_there_before_torch_is() -> None:
    code = (
        "import sys, interp.serve._app, interp.serve._server; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_hosts_that_are_every_host(tmp_path: Path) -> None:
    for host in ("", "0.0.0.0", "::"):
        with pytest.raises(ConfigError, match="one address of this machine"):
            serve(tmp_path, host=host)
    (tmp_path / "manifest.json").write_text('{"config": {}}')
    with pytest.raises(OutputError, match="has no report"):
        serve(tmp_path)


def test_a_port_that_is_taken() -> None:
    with listening("127.0.0.1", None) as first, listening("127.0.0.1", None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        with pytest.raises(ConfigError, match=r"port \d+ of 127.0.0.1 can't be used"):
            listening("127.0.0.1", first.getsockname()[1])
