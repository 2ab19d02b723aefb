"""Slurm's commands on one machine, by the name that this file is called by; state and calls lie in $FAKE_SLURM."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    if os.environ.get("FAKE_SLURM_REFUSES"):
        sys.exit("sbatch: error: Batch job submission failed: Invalid account or account/partition combination")
    number = 100 + len(list(STATE.glob("script-*")))
    shutil.copy(script, STATE / f"script-{number}")
    subprocess.Popen(
        [sys.executable, "-S", Path(__file__).with_name("fake_slurm.py"), "run", str(number)],
        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"Submitted batch job {number}")


def run(number: str) -> None:
    """The array, in order of its indices and as many at once as it says."""
    script = STATE / f"script-{number}"
    last, most = map(int, re.search(r"--array=0-(\d+)%(\d+)", script.read_text()).groups())
    waiting, running = [(index, 0) for index in range(last + 1)], {}
    while waiting or running:
        if (STATE / f"cancelled-{number}").exists():
            waiting.clear()
        while waiting and len(running) < most:
            index, restarts = waiting.pop(0)
            job = f"{number}_{index}"
            numbers = {"SLURM_JOB_ID": job, "SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(index)}
            running[index, restarts] = subprocess.Popen(
                ["bash", str(script)], env=os.environ | numbers | {"SLURM_RESTART_COUNT": str(restarts)}
            )
        for index, restarts in [key for key, process in running.items() if process.poll() is not None]:
            code = running.pop((index, restarts)).returncode
            if (STATE / f"requeue-{number}_{index}").exists():
                (STATE / f"requeue-{number}_{index}").unlink()
                waiting.append((index, restarts + 1))
            else:
                (STATE / f"state-{number}_{index}").write_text("FAILED" if code else "COMPLETED")
        time.sleep(0.02)


def srun(*arguments: str) -> None:
    """Output goes where it is to go; the command takes this process's place."""
    given = list(arguments)
    for name, stream in (("--output", 1), ("--error", 2)):
        place = given.index(name)
        path = given[place + 1].replace("%A_%a", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        del given[place : place + 2]
    command = [one for one in given if one != "--unbuffered" and not one.startswith("--cpus-per-task")]
    (STATE / f"pid-{os.environ['SLURM_JOB_ID']}").write_text(str(os.getpid()))
    os.execvp(command[0], command)


def sacct(*arguments: str) -> None:
    print("JobID|State|NodeList")
    for script in STATE.glob("script-*"):
        number = script.name.partition("-")[2]
        for index in range(int(re.search(r"--array=0-(\d+)", script.read_text()).group(1)) + 1):
            told = STATE / f"state-{number}_{index}"
            print(f"{number}_{index}|{told.read_text() if told.exists() else 'RUNNING'}|here")


def scancel(*numbers: str) -> None:
    for number in numbers:
        (STATE / f"cancelled-{number}").touch()
        for pid in STATE.glob(f"pid-{number}_*"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


def scontrol(verb: str, job: str) -> None:
    (STATE / f"{verb}-{job}").touch()


if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    if name == "fake_slurm.py":
        run(*sys.argv[2:])
    else:
        with (STATE / "calls").open("a") as calls:
            calls.write(" ".join([name, *sys.argv[1:]]) + "\n")
        globals()[name](*sys.argv[1:])
