"""Units are computed once, or told as lost, whatever the executor."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from interp.errors import ConfigError, Notice
from interp.studies.executors import ExecutorOptions, execute
from interp.studies.executors._base import Done
from interp.studies.executors._sharing import gpus_of, shared_gpus
from interp.studies.executors._waiting import Waiting
from interp.study.units import Unit

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = ("language:ko", "language:es", "locate", "language:fa")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """What units do, found by its name in other processes as well."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    import unit_computes

    yield unit_computes
    sys.modules.pop("unit_computes")


def units_in(out: Path, **does: str) -> list[Unit]:
    return [Unit({"out": str(out), "does": does.get(name.rpartition(":")[2], "")}, name) for name in NAMES]


def told(units: list[Unit], options: ExecutorOptions, work: ModuleType) -> dict[str, Done]:
    found = list(execute(units, options, work.compute))
    assert sorted(done.unit.key for done in found) == sorted(unit.key for unit in units)
    return {done.unit.name: done for done in found}


def results(out: Path) -> dict[str, str]:
    return {name: (out / name).read_text() for name in NAMES if (out / name).exists()}


ALL = {name: f"result of {name}" for name in NAMES}


# This machine


def test_one_worker_is_this_process_and_keeps_the_order(tmp_path: Path, work: ModuleType) -> None:
    found = told(units_in(tmp_path), ExecutorOptions(), work)
    assert list(found) == list(NAMES)
    assert all(done.error is None and done.host for done in found.values())
    assert [line[:2] for line in work.attempts(tmp_path)] == [[name, str(os.getpid())] for name in NAMES]
    assert results(tmp_path) == ALL


def test_processes_keep_their_model_and_have_a_thread_each(
    tmp_path: Path, work: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    told(units_in(tmp_path), ExecutorOptions(workers=2), work)
    assert results(tmp_path) == ALL
    lines = work.attempts(tmp_path)
    assert Counter(line[0] for line in lines) == Counter(NAMES)
    processes = {line[1] for line in lines}
    assert str(os.getpid()) not in processes
    assert len(processes) <= 2
    assert max(int(line[2]) for line in lines) >= 2  # one process, several units
    assert {line[3] for line in lines} == {"1"}


def test_a_killed_worker_costs_its_unit_an_attempt_and_no_other(tmp_path: Path, work: ModuleType) -> None:
    found = told(units_in(tmp_path, ko="die once", locate="die"), ExecutorOptions(workers=2, retries=1), work)
    assert {name for name, done in found.items() if done.error} == {"locate"}
    error = found["locate"].error or ""
    assert "2 times" in error
    assert "SIGKILL" in error
    assert "\n" not in error
    assert results(tmp_path) == {name: text for name, text in ALL.items() if name != "locate"}
    assert Counter(line[0] for line in work.attempts(tmp_path)) == Counter([*NAMES, "language:ko", "locate"])


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_told_of_its_unit(tmp_path: Path, work: ModuleType, workers: int) -> None:
    units = units_in(tmp_path, ko="mistake", es="bug", fa="notice")
    with pytest.warns(Notice, match="part set aside"):
        found = told(units, ExecutorOptions(workers=workers), work)
    assert found["language:ko"].error == "no such language; to do: another"
    assert found["language:ko"].traceback == ""
    assert found["language:es"].error == "ZeroDivisionError: by nothing"
    assert "in compute" in found["language:es"].traceback
    assert found["locate"].error is found["language:fa"].error is None
    assert Counter(line[0] for line in work.attempts(tmp_path)) == Counter(NAMES)  # an error is not tried again


def test_a_worker_that_ends_by_itself_is_told_with_its_code(tmp_path: Path, work: ModuleType) -> None:
    found = told(units_in(tmp_path, fa="exit"), ExecutorOptions(workers=2, retries=0), work)
    assert "ended with exit code 3" in (found["language:fa"].error or "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_one_who_asked(tmp_path: Path, work: ModuleType, how: signal.Signals) -> None:
    code = f"""
from interp.studies.executors import ExecutorOptions
from interp.studies.executors import execute
from interp.study.units import Unit
from unit_computes import compute
if __name__ == "__main__":
    units = [Unit({{"out": {str(tmp_path)!r}, "does": "sleep"}}, name) for name in {NAMES!r}]
    list(execute(units, ExecutorOptions(workers=2), compute))
"""
    (tmp_path / "asks.py").write_text(code)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "asks.py")], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    until = time.monotonic() + 20
    while len(work.attempts(tmp_path)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    children = psutil.Process(parent.pid).children(recursive=True)
    workers = {int(line[1]) for line in work.attempts(tmp_path)}
    assert len(workers) == 2
    assert workers <= {child.pid for child in children}
    parent.send_signal(how)
    _, text = parent.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert parent.returncode != 0
    if how == signal.SIGINT:
        assert text.rstrip().endswith("KeyboardInterrupt")
        assert text.count("Traceback") == 1  # workers say nothing


def test_workers_that_are_done_give_back_their_locks(tmp_path: Path, work: ModuleType) -> None:
    code = f"""
from interp.studies.executors import ExecutorOptions
from interp.studies.executors import execute
from interp.study.units import Unit
from unit_computes import compute
if __name__ == "__main__":
    units = [Unit({{"out": {str(tmp_path)!r}, "does": "lock"}}, name) for name in {NAMES!r}]
    print(len(list(execute(units, ExecutorOptions(workers=2), compute))))
"""
    (tmp_path / "asks.py").write_text(code)
    done = subprocess.run([sys.executable, str(tmp_path / "asks.py")], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{len(NAMES)}\n", "")


def test_a_caller_that_stops_leaves_no_worker(tmp_path: Path, work: ModuleType) -> None:
    going = execute(units_in(tmp_path, fa="sleep", locate="sleep"), ExecutorOptions(workers=2), work.compute)
    next(going)
    going.close()
    workers = {int(line[1]) for line in work.attempts(tmp_path)}
    assert not any(psutil.pid_exists(pid) for pid in workers)


# What is shared out


def test_a_worker_goes_on_with_the_run_then_the_model_it_has() -> None:
    def unit(out: str, model: str, name: str) -> Unit:
        return Unit({"out": out, "model": model}, name)

    units = [unit(out, model, name) for out, model in (("a", "m"), ("b", "m"), ("c", "n")) for name in ("1", "2", "3")]
    waiting = Waiting(units, retries=1)
    taken = [waiting.take(worker) for worker in (0, 1, 0, 1, 0, 1, 0, 0)]
    assert [f"{one.config['out']}{one.name}" for one in taken if one] == [
        "a1",
        "b1",
        "a2",
        "b2",
        "a3",
        "b3",
        "c1",
        "c2",
    ]
    assert taken[-1] is not None
    assert waiting.again(0, taken[-1])
    assert len(waiting) == 2
    assert waiting.take(1) == taken[-1]
    assert not waiting.again(1, taken[-1])
    assert waiting.take(1) == units[-1]
    assert waiting.take(0) is None


def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert shared_gpus(ExecutorOptions(workers=2)) == [None, None]
    assert shared_gpus(ExecutorOptions(workers=2, gpus_per_worker=2)) == ["4,5", "6,7"]
    assert shared_gpus(ExecutorOptions(workers=4, gpus_per_worker=0.5)) == ["4", "4", "5", "5"]
    assert gpus_of(5, 0.3, ["0", "1"]) == "1"
    with pytest.raises(ConfigError, match="5 workers with 1 GPUs each need 5 GPUs, but this machine has 4"):
        shared_gpus(ExecutorOptions(workers=5, gpus_per_worker=1))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"executor": "slrum"}, "did you mean 'slurm'"),
        ({"workers": 0}, "whole numbers from 1"),
        ({"gpus_per_worker": 1.5}, "gpus_per_worker 1.5"),
        ({"executor": "slurm", "slurm_time": "soon"}, "as for sbatch"),
        ({"slurm_account": "x"}, "slurm_account 'x' has no effect with executor 'local'"),
        ({"executor": "ray", "ray_address": "ray://head:10001"}, "auto, or host:port"),
        ({"executor": "slurm", "gpus_per_worker": 1}, "--slurm-gres"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ExecutorOptions(**settings)


def test_units_are_named_once(tmp_path: Path, work: ModuleType) -> None:
    with pytest.raises(ValueError, match="listed twice"):
        list(execute([*units_in(tmp_path), *units_in(tmp_path)], ExecutorOptions(), work.compute))
    assert list(execute([], ExecutorOptions(), work.compute)) == []


# Ray

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'translocal[ray]'"
)


def test_an_executor_that_is_not_installed_says_what_to_do(
    tmp_path: Path, work: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, package in (("ray", "ray"), ("slurm", "submitit")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ConfigError, match=rf"pip install 'translocal\[{kind}\]'"):
            list(execute(units_in(tmp_path), ExecutorOptions(executor=kind), work.compute))


@needs_ray
@pytest.mark.slow
def test_ray_computes_what_local_does_and_a_killed_actor_costs_its_unit_an_attempt(
    tmp_path: Path, work: ModuleType
) -> None:
    units = units_in(tmp_path, ko="die once", es="mistake")
    found = told(units, ExecutorOptions(executor="ray", workers=2, retries=1), work)
    assert found["language:es"].error == "no such language; to do: another"
    assert {name for name, done in found.items() if done.error} == {"language:es"}
    assert results(tmp_path) == {name: text for name, text in ALL.items() if name != "language:es"}
    assert Counter(line[0] for line in work.attempts(tmp_path)) == Counter([*NAMES, "language:ko"])
    import ray

    assert not ray.is_initialized()


@needs_ray
@pytest.mark.slow
def test_two_ray_nodes(tmp_path: Path, work: ModuleType) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        units = [Unit({"out": str(tmp_path), "seconds": 0.5}, f"language:{i}") for i in range(8)]
        options = ExecutorOptions(executor="ray", workers=2, ray_address=cluster.address)
        found = told(units, options, work)
        assert all(done.error is None for done in found.values())
        counts = Counter(line[1] for line in work.attempts(tmp_path))
        assert len(counts) == 2  # a node has one core: an actor on each
        assert sum(counts.values()) == 8
        (done,) = execute([Unit({"out": str(tmp_path), "does": "die"}, "locate")], options, work.compute)
        assert "tried 3 times; last: " in (done.error or "")
    finally:
        cluster.shutdown()


@needs_ray
def test_a_ray_cluster_that_does_not_answer_is_named(tmp_path: Path, work: ModuleType) -> None:
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127.0.0.1:1"):
        list(execute(units_in(tmp_path), ExecutorOptions(executor="ray", ray_address="127.0.0.1:1"), work.compute))


# Slurm


@pytest.fixture
def slurm(tmp_path: Path, work: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of a Slurm that runs jobs on this machine; the folder has its calls and the scripts it was given."""
    pytest.importorskip("submitit", reason="needs submitit: pip install 'translocal[slurm]'")
    from interp.studies.executors import _slurm as slurm

    commands, state = tmp_path / "bin", tmp_path / "slurm"
    commands.mkdir()
    state.mkdir()
    text = f"#!{sys.executable} -S\n" + (HERE / "fake_slurm.py").read_text()
    for name in ("sbatch", "srun", "sacct", "scancel", "scontrol", "fake_slurm.py"):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    for name, seconds in (("POLL", 0.05), ("ASK", 0.2), ("GRACE", 0.3)):
        monkeypatch.setattr(slurm, name, seconds)
    return state


def test_slurm_gets_an_array_with_the_settings_and_leaves_nothing_pickled(
    tmp_path: Path, work: ModuleType, slurm: Path
) -> None:
    options = ExecutorOptions(
        executor="slurm", workers=3, threads=1, slurm_account="lab", slurm_partition="gpu", slurm_gres="gpu:a100:1",
        slurm_time="01:30:00", slurm_memory="40G",
    )  # fmt: skip
    units = units_in(tmp_path / "runs" / "a", ko="mistake", fa="notice")
    with pytest.warns(Notice, match="part set aside"):
        found = told(units, options, work)
    assert found["language:ko"].error == "no such language; to do: another"
    assert results(tmp_path / "runs" / "a") == {name: text for name, text in ALL.items() if name != "language:ko"}
    script = (slurm / "script-100").read_text()
    for setting in (
        "array=0-3%3", "account=lab", "partition=gpu", "gres=gpu:a100:1", "time=01:30:00", "mem=40G", "requeue",
        "signal=USR2@90", "cpus-per-task=1",
    ):  # fmt: skip
        assert f"#SBATCH --{setting}\n" in script, script
    (folder,) = (tmp_path / "runs" / ".slurm").iterdir()  # kept: a unit has an error
    assert folder.stat().st_mode & 0o077 == 0
    assert not list(folder.rglob("*.pkl"))
    assert not (slurm / "cancelled-100").exists()


def test_a_slurm_job_goes_on_after_its_time_and_a_dead_one_is_tried_again(
    tmp_path: Path, work: ModuleType, slurm: Path
) -> None:
    out = tmp_path / "runs" / "a"
    options = ExecutorOptions(executor="slurm", workers=2, retries=1, slurm_units_per_job=2)
    found = told(units_in(out, es="out of time once", fa="die once"), options, work)
    assert [done.error for done in found.values()] == [None] * 4
    assert results(out) == ALL
    assert Counter(line[0] for line in work.attempts(out)) == Counter([*NAMES, "language:es", "language:fa"])
    calls = (slurm / "calls").read_text()
    assert "scontrol requeue 100_0\n" in calls
    assert "--array=0-1%2" in (slurm / "script-100").read_text()
    assert "--array=0-0%1" in (slurm / "script-101").read_text()  # the dead job's unit alone
    assert list((out.parent / ".slurm").iterdir()) == []


def test_a_slurm_unit_that_always_dies_is_told_with_its_log(tmp_path: Path, work: ModuleType, slurm: Path) -> None:
    out = tmp_path / "runs" / "a"
    unit = Unit({"out": str(out), "does": "die"}, "locate")
    (done,) = execute([unit], ExecutorOptions(executor="slurm", retries=0), work.compute)
    assert "(once); last: job 100_0 ended as FAILED; its log: " in (done.error or "")


def test_slurm_jobs_are_cancelled_when_the_caller_stops(tmp_path: Path, work: ModuleType, slurm: Path) -> None:
    out = tmp_path / "runs" / "a"
    units = units_in(out, es="sleep", locate="sleep", fa="sleep")
    going = execute(units, ExecutorOptions(executor="slurm", workers=4), work.compute)
    assert next(going).unit.name == "language:ko"
    until = time.monotonic() + 10
    while len(work.attempts(out)) < 4 and time.monotonic() < until:
        time.sleep(0.05)
    going.close()
    assert "scancel 100\n" in (slurm / "calls").read_text()
    pids = [int(line[1]) for line in work.attempts(out)]
    assert len(pids) == 4
    time.sleep(0.3)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_slurm_refuses_is_told(
    tmp_path: Path, work: ModuleType, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SLURM_REFUSES", "1")
    options = ExecutorOptions(executor="slurm", slurm_account="nobody")
    with pytest.raises(ConfigError, match=r"sbatch refused: .*Invalid account"):
        list(execute(units_in(tmp_path / "a"), options, work.compute))
    with pytest.raises(ValueError, match="is not a function of a module"):
        list(execute(units_in(tmp_path / "a"), options, lambda unit: None))


def test_slurm_that_is_not_there_is_told(tmp_path: Path, work: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="needs submitit: pip install 'translocal[slurm]'")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="needs sbatch, which is not in PATH"):
        list(execute(units_in(tmp_path / "a"), ExecutorOptions(executor="slurm"), work.compute))
