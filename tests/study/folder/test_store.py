"""Parts of a run: made once, whole or not there, checked when read, and never outside of the run's folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.errors import ConfigError, Notice, OutputError
from interp.study.ask._score import COLUMNS
from interp.study.folder import Store

ROOT = Path(__file__).parents[3]
IDENTITY = {"config": {"seed": 0, "languages": ["el", "ko"]}, "model": "m"}
FRAME = pd.DataFrame(
    {
        "text": ["서울", None, "Αθήνα", 'a,\n"b"'],
        "logp": [0.1, np.nan, -np.inf, -0.0],
        "half": np.array([0.1, np.nan, 3, 4], dtype=np.float32),
        "own": [True, False, True, True],
        "tokens": [1, 2**60, -3, 4],
        "small": np.array([1, 2, 3, 4], dtype=np.int32),
    }
)


def never() -> Any:
    raise AssertionError("made again")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def is_whole(path: Path) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] == path.name.rsplit(".", 2)[1]


def numbers(seed: int, rows: int = 20) -> pd.DataFrame:
    return pd.DataFrame({"item": [f"i{n}" for n in range(rows)], "logp": np.random.default_rng(seed).normal(size=rows)})


def write_foreign(folder: Path, key: str, table: pa.Table) -> Path:
    """A part that some other program wrote, with a right name."""
    path = folder / "parts" / f"{key}.parquet"
    pq.write_table(table, path)
    return path.rename(path.with_name(f"{key}.{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.parquet"))


# --- made once, read back


def test_a_part_is_made_once_and_read_back(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY) as store:
        assert not store.has("test/ko")
        made = store.frame("test/ko", lambda: FRAME)
        value = store.value("chosen/ko", lambda: {"en": (3, 0.1), 5: float("nan")})
        assert store.has("test/ko")
        assert store.has("chosen/ko")
        assert not store.has("test/k")
        pd.testing.assert_frame_equal(made, FRAME)
        assert repr(value) == "{'en': [3, 0.1], '5': nan}"
    with Store.open(tmp_path, IDENTITY) as store:
        later = store.frame("test/ko", never)
        pd.testing.assert_frame_equal(later, made)
        assert list(later.dtypes) == list(made.dtypes)
        assert repr(store.value("chosen/ko", never)) == repr(value)
    assert all(is_whole(path) for path in (tmp_path / "parts").rglob("*.*"))
    # As other programs read it.
    part = next((tmp_path / "parts" / "test").iterdir())
    pd.testing.assert_frame_equal(pd.read_parquet(part), FRAME)


def test_none_and_an_empty_frame_are_kept_too(tmp_path: Path) -> None:
    empty = FRAME[:0]
    with Store.open(tmp_path, IDENTITY) as store:
        assert store.value("none", lambda: None) is None
        assert store.value("none", never) is None
        pd.testing.assert_frame_equal(store.frame("empty", lambda: empty), empty)


def test_the_same_frame_gives_the_same_bytes(tmp_path: Path) -> None:
    shuffled = FRAME.iloc[::-1].iloc[::-1].copy()  # the same rows out of another memory layout
    numbered = FRAME.set_axis([7, 7, 1, 0])
    for number, frame in enumerate((FRAME, shuffled, numbered)):
        with Store.open(tmp_path / str(number), IDENTITY) as store:
            pd.testing.assert_frame_equal(store.frame("test/ko", lambda frame=frame: frame), FRAME)
            again = store.frame("again", lambda store=store: store.frame("test/ko", never))
            pd.testing.assert_frame_equal(again, FRAME)
    names = [files(tmp_path / str(number) / "parts") for number in range(3)]
    assert names[0] == names[1] == names[2]
    assert len(names[0]) == 2


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (FRAME.assign(cat=pd.Categorical(["a", "b", "a", "b"])), "categorical"),
        (FRAME.set_index("text"), "index"),
        (FRAME.set_axis(list("aabcde"), axis=1), "columns"),
        (pd.DataFrame([[1]]), "columns"),
    ],
)
def test_what_would_not_come_back_is_refused(tmp_path: Path, frame: pd.DataFrame, told: str) -> None:
    with Store.open(tmp_path, IDENTITY) as store:
        with pytest.raises(ValueError, match=told):
            store.frame("test/ko", lambda: frame)
        assert not store.has("test/ko")


def test_where_two_workers_made_different_parts_all_read_one(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY) as store, Store.open(tmp_path, IDENTITY, shared=True) as worker:

        def slow() -> pd.DataFrame:
            worker.frame("test/ko", lambda: numbers(1))
            return numbers(2)

        held = store.frame("test/ko", slow)
        pd.testing.assert_frame_equal(worker.frame("test/ko", never), held)
    assert len(files(tmp_path / "parts")) == 2


# --- whose folder it is


def test_another_identity_is_refused_with_each_difference(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY) as store:
        store.value("a", lambda: 1)
    other = {"config": {"seed": 1, "languages": ["el"]}, "model": "m", "data": "d"}
    told = (
        "holds another run: config.seed: 0 there, 1 here; config.languages: ['el', 'ko'] there, ['el'] here; "
        "data: nothing there, 'd' here; allowed: "
    )
    with pytest.raises(ConfigError, match=re.escape(told)) as raised:
        Store.open(tmp_path, other)
    assert str(raised.value).endswith("to do: pass another --out, or --overwrite")
    with pytest.raises(ConfigError, match="seed"):
        Store.open(tmp_path, other, shared=True)
    (tmp_path / "identity.json").write_text("{")
    with pytest.raises(ConfigError, match=r"identity.json can't be read"):
        Store.open(tmp_path, IDENTITY)
    (tmp_path / "identity.json").unlink()
    with pytest.raises(ConfigError, match=r"identity.json is missing"):
        Store.open(tmp_path, IDENTITY)
    shutil.rmtree(tmp_path / "parts")
    Store.open(tmp_path, IDENTITY | {"pair": (1, 2)}).close()  # refusals hold no lock
    Store.open(tmp_path, IDENTITY | {"pair": [1, 2]}).close()


HOLD = """
import sys, time
from pathlib import Path
from interp.study.folder import Store
store = Store.open(Path(sys.argv[1]), {"config": {"seed": 0, "languages": ["el", "ko"]}, "model": "m"})
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, cwd=ROOT) as first:
        try:
            assert first.stdout
            assert first.stdout.readline() == b"held\n"
            with pytest.raises(OutputError) as raised:
                Store.open(tmp_path, IDENTITY)
            told = str(raised.value)
            assert told.startswith(f"{tmp_path} is in use by process {first.pid} on {os.uname().nodename}; allowed: ")
            assert "\n" not in told
            Store.open(tmp_path, IDENTITY, shared=True).value("a", lambda: 1)
        finally:
            first.send_signal(signal.SIGKILL)
    with Store.open(tmp_path, IDENTITY) as store:
        assert store.value("a", never) == 1
        with pytest.raises(OutputError, match=f"in use by process {os.getpid()} on"):
            Store.open(tmp_path, IDENTITY)


def test_a_folder_that_was_moved_away_while_held_can_be_made_anew(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run", IDENTITY) as first:
        first.value("a", lambda: 1)
        (tmp_path / "run").rename(tmp_path / "done")
        with Store.open(tmp_path / "run", IDENTITY) as second:
            assert not second.has("a")
        with pytest.raises(OutputError, match="in use"):
            Store.open(tmp_path / "done", IDENTITY)


# --- killed

KILLS = """
import hashlib, os, random, signal, sys, time
from pathlib import Path
import numpy as np, pandas as pd, pyarrow, pyarrow.parquet
from interp.study.folder import Store

folder, draw, left = Path(sys.argv[1]), random.Random(0), 0
identity = {"config": {"seed": 0, "languages": ["el", "ko"]}, "model": "m"}

def write(number):
    with Store.open(folder, identity) as store:
        for n in range(10**6):
            rows = 20 if n % 3 else 100_000
            noise = np.random.default_rng(n).normal(size=rows)
            store.frame(f"round{number}/f{n}", lambda: pd.DataFrame({"logp": noise}))
            store.value(f"round{number}/v{n}", lambda: n)

with Store.open(folder.with_name("warm"), identity) as store:  # so that a child begins at once
    store.frame("warm", lambda: pd.DataFrame({"logp": np.zeros(9)}))
for number in range(30):
    child = os.fork()
    if not child:
        try:
            write(number)
        except BaseException as error:
            print("failed", repr(error), flush=True)
        os._exit(1)
    while number % 3 and not any(folder.glob(f"parts/round{number}/f0*")):
        time.sleep(0.001)  # else it may be killed before its first part
    time.sleep(draw.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    for path in folder.glob("parts/round*/*"):
        if path.name.startswith("."):
            left += 1
        else:
            assert hashlib.sha256(path.read_bytes()).hexdigest()[:32] == path.name.rsplit(".", 2)[1], path
print(left, flush=True)
"""


@pytest.mark.slow
def test_thirty_kills_leave_no_broken_part(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLS, tmp_path / "run"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    print(f"seen half written: {done.stdout.strip()}")
    assert done.stdout.strip().isdigit()  # no child failed
    written = [path for path in (tmp_path / "run/parts").rglob("*.*") if not path.name.startswith(".")]
    assert len(written) >= 20
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        with Store.open(tmp_path / "run", IDENTITY) as store:
            assert not list(tmp_path.rglob("*.partial"))
            for path in written:
                key = f"{path.parent.name}/{path.name.split('.')[0]}"
                n = int(path.name.split(".")[0][1:])
                if path.suffix == ".json":
                    assert store.value(key, never) == n
                else:
                    noise = np.random.default_rng(n).normal(size=20 if n % 3 else 100_000)
                    np.testing.assert_array_equal(store.frame(key, never)["logp"], noise)


STEPS = """
import os, signal, sys
from pathlib import Path
from interp.study.folder import Store
store = Store.open(Path(sys.argv[1]), {"config": {"seed": 0, "languages": ["el", "ko"]}, "model": "m"})
for step in ("write", "synced", "renamed"):
    child = os.fork()
    if not child:
        die = lambda *more: os.kill(os.getpid(), signal.SIGKILL)
        if step == "write":
            Path.write_bytes = lambda path, data: (path.open("wb", 0).write(data[:50]), die())
        elif step == "synced":
            os.replace = die
        else:
            replace = os.replace
            os.replace = lambda *two: (replace(*two), die())
        store.value(step, lambda: "x" * 1000)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


def test_killed_at_each_step_of_writing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", STEPS, tmp_path], check=True, cwd=ROOT)
    left = files(tmp_path / "parts")
    assert [re.sub(r"\.[0-9a-f]{32}\.json", "", name).split(".")[:2] for name in left] == [
        ["", "synced"], ["", "write"], ["renamed"],
    ]  # fmt: skip
    with Store.open(tmp_path, IDENTITY) as store:
        assert [store.has(step) for step in ("write", "synced", "renamed")] == [False, False, True]
        assert len(files(tmp_path / "parts")) == 1
        assert store.value("write", lambda: "again") == "again"


def test_workers_clear_nothing_that_others_write(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY):
        half = tmp_path / "parts" / ".a.partial"
        half.write_bytes(b"half")
        Store.open(tmp_path, IDENTITY, shared=True).close()
        assert half.exists()


# --- damaged


def test_twenty_damaged_parts_are_found_named_set_aside_and_made_again(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    makers: dict[str, Callable[[], Any]] = {}
    for number in range(22):
        makers[f"test/p{number:02}"] = (
            (lambda number=number: {"steers": list(range(number, number + 50))})
            if number % 4 == 0
            else (lambda number=number: numbers(number))
        )

    def read(store: Store, key: str, make: Callable[[], Any]) -> Any:
        return store.value(key, make) if int(key[-2:]) % 4 == 0 else store.frame(key, make)

    with Store.open(tmp_path, IDENTITY) as store:
        first = {key: read(store, key, make) for key, make in makers.items()}
    paths = sorted((tmp_path / "parts" / "test").iterdir())
    before = {path.name: path.read_bytes() for path in paths}
    for number, path in enumerate(paths[:20]):
        data = bytearray(path.read_bytes())
        match number // 4:
            case 0:
                path.write_bytes(data[: draw.integers(1, len(data))])
            case 1 | 2:
                data[draw.integers(len(data))] ^= 1 << draw.integers(8)
                path.write_bytes(data)
            case 3:
                path.write_bytes([b"", paths[21].read_bytes(), b'{"part": "x"}', b"PAR1"][number % 4])
            case _:
                if number == 16:  # bytes of another kind, under their own hash
                    path.unlink()
                    inner = b"no json"
                    path.with_name(f"p16.{hashlib.sha256(inner).hexdigest()[:32]}.json").write_bytes(inner)
                elif number == 17:  # another part, whole, under this one's key
                    path.unlink()
                    shutil.copy(paths[18], path.with_name(paths[18].name.replace("p18", "p17")))
                elif number == 18:  # the right bytes, behind a link
                    shutil.move(path, tmp_path / "elsewhere")
                    path.symlink_to(tmp_path / "elsewhere")
                else:
                    path.unlink()
                    path.mkdir()
    named = sorted(path.name for path in (tmp_path / "parts" / "test").iterdir())[:20]

    made: list[str] = []
    with Store.open(tmp_path, IDENTITY) as store:
        with pytest.warns(Notice) as notices:
            assert [store.has(key) for key in makers] == [False] * 20 + [True] * 2
        for key, make in makers.items():
            again = read(store, key, lambda key=key, make=make: (made.append(key), make())[1])
            if isinstance(again, pd.DataFrame):
                pd.testing.assert_frame_equal(again, first[key])
            else:
                assert again == first[key]
    told = [str(one.message) for one in notices]
    assert len(told) == 20
    for name, text in zip(named, told, strict=True):
        assert f"/parts/test/{name} is damaged (" in text
        assert f"parts/damaged/test/{name}.damaged" in text
    assert made == list(makers)[:20]
    assert sorted(path.name for path in (tmp_path / "parts/damaged/test").iterdir()) == [f"{n}.damaged" for n in named]
    assert {path.name: path.read_bytes() for path in (tmp_path / "parts" / "test").iterdir()} == before


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY) as store:
        store.value("a", lambda: [1, 2.5, "x"])
        path = next((tmp_path / "parts").iterdir())
        data = path.read_bytes()
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.warns(Notice, match="don't match"):
                assert not store.has("a")
        assert not path.exists()


# --- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("mounting a tmpfs is not permitted")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


FULL = "{} can't be written: the disk is full; allowed: a writable folder with free space; to do: free some space or pass another --out"


def test_a_full_disk_is_one_line_and_the_run_goes_on_after_space_is_made(small_disk: Path) -> None:
    folder = small_disk / "run"
    with Store.open(folder, IDENTITY) as store:
        store.value("a", lambda: 1)
        (small_disk / "ballast").write_bytes(bytes(700_000))
        with pytest.raises(OutputError) as raised:
            store.frame("big", lambda: numbers(0, 50_000))
        assert str(raised.value) == FULL.format(folder)
        assert not list(folder.rglob("*.partial"))
        assert not store.has("big")
        assert store.value("a", never) == 1
    (small_disk / "ballast").unlink()
    with Store.open(folder, IDENTITY) as store:
        pd.testing.assert_frame_equal(store.frame("big", lambda: numbers(0, 50_000)), numbers(0, 50_000))


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int) -> None:
    def full(*more: Any) -> None:
        raise OSError(code, os.strerror(code))

    def half(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:10])
        full()

    with Store.open(tmp_path, IDENTITY) as store:
        before = files(tmp_path)
        with monkeypatch.context() as patch:
            if where == "write":
                patch.setattr(Path, "write_bytes", half)
            else:
                patch.setattr(os, where, full)
            with pytest.raises(OutputError) as raised:
                store.value("a", lambda: 1)
        assert str(raised.value) == FULL.format(tmp_path)
        assert files(tmp_path) == before
        assert store.value("a", lambda: 1) == 1


def test_an_error_while_a_part_is_made_is_its_own(tmp_path: Path) -> None:
    def fail() -> Any:
        raise FileNotFoundError("a dataset")

    with Store.open(tmp_path, IDENTITY) as store:
        with pytest.raises(FileNotFoundError, match="a dataset"):
            store.frame("a", fail)
        assert not store.has("a")


# --- names and links stay inside


@pytest.mark.parametrize(
    "key",
    ["", "..", "../x", "a/../b", "/etc/x", "a//b", "a/", ".a", "a/.b", "a..b", "a b", "a\n", "a\0", "ü", "a\\b", "C:x",
     "a*", "damaged/a", "a" * 121],
)  # fmt: skip
def test_keys_cannot_escape(tmp_path: Path, key: str) -> None:
    with Store.open(tmp_path / "run", IDENTITY) as store:
        for use in (store.has, lambda key: store.frame(key, never), lambda key: store.value(key, never)):
            with pytest.raises(ValueError, match="is not a key"):
                use(key)
    assert files(tmp_path) == ["run/.lock", "run/identity.json"]


def test_usual_and_longest_keys(tmp_path: Path) -> None:
    with Store.open(tmp_path, IDENTITY) as store:
        for key in (
            "locate",
            "controls/random.universal.ko",
            "a@b+c-d_e/zh-Hans",
            "a",
            "a/a",
            "a" * 120 + "/" + "b" * 120,
        ):
            assert store.value(key, lambda key=key: key) == key
            assert store.value(key, never) == key


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with Store.open(tmp_path / "run", IDENTITY) as store:
        (tmp_path / "run/parts/test").symlink_to(outside)
        for use in (store.has, lambda key: store.value(key, lambda: 1)):
            with pytest.raises(OutputError, match=r"parts/test is a symbolic link"):
                use("test/ko")
        store.value("a", lambda: 1)
        next((tmp_path / "run/parts").glob("a.*")).write_bytes(b"")
        (tmp_path / "run/parts/damaged").symlink_to(outside)
        with pytest.raises(OutputError, match=r"damaged is a symbolic link"):
            store.has("a")
    for name in ("parts", ".lock"):
        (tmp_path / name[-4:]).mkdir()
        (tmp_path / name[-4:] / name).symlink_to(outside)
        with pytest.raises(OutputError, match=r"parts is a symbolic link|can't be written"):
            Store.open(tmp_path / name[-4:], IDENTITY)
    assert not list(outside.iterdir())


class Trap:
    """What makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def test_nothing_is_unpickled_and_what_a_part_says_of_pandas_is_not_read(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    bomb = pickle.dumps(Trap(trap))
    said = {
        "index_columns": ["x"], "column_indexes": [], "columns": [
            {"name": name, "field_name": name, "pandas_type": "object", "numpy_type": "object", "metadata": {"encoding": "pickle"}}
            for name in ("x", "y")
        ],
    }  # fmt: skip
    extension = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": bomb}
    schema = pa.schema(
        [pa.field("x", pa.binary()), pa.field("y", pa.binary(), metadata=extension)],
        metadata={"pandas": json.dumps(said), "part": "ko"},
    )
    with Store.open(tmp_path / "run", IDENTITY) as store:
        write_foreign(tmp_path / "run", "ko", pa.table([[bomb], [bomb]], schema=schema))
        frame = store.frame("ko", never)
        assert list(frame.columns) == ["x", "y"]
        assert list(frame.index) == [0]
        assert frame["x"][0] == frame["y"][0] == bomb
    assert not trap.exists()
    pickle.loads(bomb)
    assert trap.exists()  # it would have sprung


# --- what it costs


def scores(rows: int, seed: int) -> pd.DataFrame:
    """A table of scores such as a language's test part holds."""
    draw = np.random.default_rng(seed)
    number = np.arange(rows)
    columns = {
        "method": "surgical", "axis": np.where(number % 2, "cultural", "universal"), "cue": "implicit", "language": "ko",
        "item": [f"item-{n // 4}" for n in number], "cluster": [f"cluster-{n // 12}" for n in number],
        "option": number % 4, "role": np.array(["right", "wrong", "own", "other"])[number % 4], "own": number % 4 != 3,
        "languages": "en ko", "text": [f"대답 {n % 997}" for n in number], "logp": draw.normal(-9, 3, rows),
        "tokens": draw.integers(1, 9, rows), "bytes": draw.integers(3, 30, rows),
    }  # fmt: skip
    return pd.DataFrame(columns)[list(COLUMNS)]


@pytest.mark.slow
def test_what_writing_costs(tmp_path: Path) -> None:
    frames = [scores(8000, seed) for seed in range(10)]
    with Store.open(tmp_path, IDENTITY) as store:
        begun = time.perf_counter()
        for number in range(1000):
            store.frame(f"test/p{number}", lambda number=number: frames[number % 10])
        written = (time.perf_counter() - begun) / 1000
        begun = time.perf_counter()
        for number in range(1000):
            store.frame(f"test/p{number}", never)
        read = (time.perf_counter() - begun) / 1000
    size = sum(path.stat().st_size for path in (tmp_path / "parts/test").iterdir()) / 1000
    share = 100 * written / 180
    print(
        f"a part of 8,000 rows: made {written:.4f} s, read {read:.4f} s, {size / 1024:.0f} KiB; 100 in 3 min: {share:.2%}"
    )
    assert share <= 0.02
