"""One process per run: an exclusive lock on the run's folder, which ends with the process however it ends."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from interp.errors import OutputError

LOCK = ".lock"


def hold(folder: Path) -> int:
    """Take the folder's lock: the open file that holds it until it is closed.

    Raises OutputError where another process, or this one, has it; OSError where the folder can't be written.
    """
    import fcntl

    path = folder / LOCK
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                os.ftruncate(lock, 0)
                os.write(lock, f"process {os.getpid()} on {platform.node()}".encode())
                return lock
        except BlockingIOError:
            holder = os.read(lock, 1000).decode(errors="replace") or "another process"
            os.close(lock)
            raise OutputError(
                f"{folder} is in use by {holder}",
                allowed="one process per run",
                remedy="wait until it ends, stop it, or pass another --out",
            ) from None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # the folder was moved or removed between the two calls
