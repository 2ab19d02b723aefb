"""Free memory of the computer itself, told without torch."""

from __future__ import annotations

from pathlib import Path

import psutil


def host_free() -> int:
    """Bytes free on the CPU: no more than what the job's control group allows."""
    return min([int(psutil.virtual_memory().available), *left_in_groups(Path("/sys/fs/cgroup"))])


def left_in_groups(root: Path, own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What is left of every memory limit on the process (control groups, version 2); file caches count as free."""
    try:
        lines = [line for line in own.read_text().split("\n") if line.startswith("0::")]
    except OSError:
        return []
    left = []
    group = root / lines[0][3:].strip("/") if lines else root
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            break
        try:
            limit, used = (folder / "memory.max").read_text().strip(), int((folder / "memory.current").read_text())
            stat = dict(line.split(" ") for line in (folder / "memory.stat").read_text().strip().split("\n"))
        except (OSError, ValueError):
            continue
        if limit != "max":
            left.append(int(limit) - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))
    return left
