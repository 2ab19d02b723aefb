"""The rules of the house: who may import whom, how large its parts may be, and what start-up may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("interp", "probes", "figures")
ROOMS = (
    "data", "organism", "model", "steering", "plane", "alignment", "bench", "export", "study", "matrix", "ablation", "studies", "serve", "cli",
)  # fmt: skip
"""Rooms of `interp` in the order in which data flows: each may import itself and those before it."""
ROOM_SIZE, MODULES, LINES = 12, 45, 300
"""Of `interp/study`: modules of a room, modules in all, lines of one."""


def modules(package: str = "") -> list[Path]:
    """Files of the product, or of one of its packages, as paths below the repository."""
    found = (path for name in ((package,) if package else PACKAGES) for path in (ROOT / name).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


def dotted(path: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """What a file imports, anywhere in it: modules, and names with their module in front."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ["probes", "figures"])
def test_probes_and_figures_know_nothing_of_the_model_side(package: str) -> None:
    for path in modules(package):
        roots = {name.partition(".")[0] for name in imported(path)}
        assert not roots & {"interp", "torch", "transformer_lens", "transformers"}, path


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_run_one_way(room: str) -> None:
    later = ROOMS[ROOMS.index(room) + 1 :]
    for path in modules(f"interp/{room}"):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("interp.")}
        assert not rooms & set(later), path


def test_private_modules_stay_in_their_room() -> None:
    """`a.b._c` may be imported by what lies in `a.b` alone."""
    for path in modules():
        for name in imported(path):
            parts = name.split(".")
            if parts[0] not in PACKAGES:
                continue
            private = next((i for i, part in enumerate(parts) if part.startswith("_") and part != "__future__"), None)
            if private is not None:
                room = ".".join(parts[:private])
                assert f"{dotted(path)}.".startswith(f"{room}."), f"{path} imports {name}"


def test_faces_export_what_is_there() -> None:
    """Every name of every face can be imported, in a process that has imported nothing else of ours."""
    faces = [dotted(path.with_suffix(".py")) for path in (ROOT / "interp").rglob("__init__.pyi")]
    names = [face[face.index("interp") :] for face in faces] + ["probes", "figures", "figures.report"]
    code = f"""
import importlib
for name in {sorted(names)!r}:
    face = importlib.import_module(name)
    assert face.__all__, name
    for exported in face.__all__:
        assert getattr(face, exported) is not None, (name, exported)
"""
    run_python(code)


def test_study_is_made_of_small_rooms() -> None:
    paths = [path for path in modules("interp/study") if path.name != "__init__.py"]
    assert len(paths) <= MODULES
    for room in {path.parent for path in paths}:
        assert len([path for path in paths if path.parent == room]) <= ROOM_SIZE, room
    for path in paths:
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= LINES, path


PARAMETERS = 8
"""The most that a function takes, self not counted."""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_functions_take_few_parameters() -> None:
    for path in modules():
        for function in functions(path):
            taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            own = [argument for argument in taken if argument.arg not in ("self", "cls")]
            assert len(own) <= PARAMETERS, f"{path}: {function.name} takes {len(own)}"


OPTIONAL = {"bitsandbytes", "peft", "ray", "submitit"}
"""Packages of the optional extras."""

LATE = {
    ("interp/data/files/_records.py", "pyarrow"): "half a second, for Parquet files alone",
    ("interp/data/files/_sources.py", "datasets"): "three seconds, for the Hub alone",
    ("interp/model/attribution/_bridge.py", "transformer_lens"): "a dry run reads the room and needs no model",
    ("interp/model/load/_gguf_support.py", "transformers"): "loads torch; the name of a file is checked without it",
    ("interp/model/load/_sources.py", "torch"): "a mistake in the name of a device is told before torch is loaded",
    ("interp/model/machine/_environment.py", "torch"): "`interp doctor` says why torch can't be imported",
    ("interp/settings.py", "yaml"): "a tenth of the time in which `interp` starts",
    ("interp/studies/executors/_sharing.py", "torch"): "a worker limits its threads before torch counts them",
}
"""What else is imported inside a function outside the command line, and why."""


def test_modules_import_at_their_top() -> None:
    late = set()
    for path in modules():
        if path.parts[:2] == ("interp", "cli"):
            continue
        for function in functions(path):
            for node in ast.walk(function):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                late |= {(path.as_posix(), name.partition(".")[0]) for name in names}
    assert {(path, package) for path, package in late if package not in OPTIONAL} == set(LATE)


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


HEAVY = {"torch", "transformer_lens", "transformers", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    "line",
    [
        "import interp",
        "import interp.cli",
        "import probes",
        "import figures",
        "from interp.settings import read_settings; from interp.study.config import RunConfig",
        "from interp.study.ask import resolve",
        "from interp.model.load import find_model",
        "from interp.data import load_cultural, load_universal",
        "from interp.steering import read_strength",
        "from interp.alignment import Settings, load_training, settings_for",
        "from interp.studies import find_runs, read_study",
        "from interp.studies.executors import ExecutorOptions",
    ],
)
def test_what_is_needed_before_a_mistake_is_told_loads_nothing_heavy(line: str) -> None:
    assert run_python(f"import sys\n{line}\nprint({HEAVY} & set(sys.modules))").strip() == "set()"
