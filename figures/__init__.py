"""Figures of the plane, of layers and strengths, of directions and of what training moved, from result tables alone."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from figures.ablations import ablations
    from figures.erasure import erasure
    from figures.geometry import geometry
    from figures.layers import layers
    from figures.matrix import matrix
    from figures.mechanism import mechanism
    from figures.noise import noise
    from figures.plane import plane, plane_by_language
    from figures.registry import draw
    from figures.run_tables import RunTables
    from figures.sweep import sweep
    from figures.tables import read_table
    from figures.theme import on_page, save, style

__all__ = [
    "RunTables", "ablations", "draw", "erasure", "geometry", "layers", "matrix", "mechanism", "noise", "on_page",
    "plane", "plane_by_language", "read_table", "save", "style", "sweep",
]  # fmt: skip

_MODULE_OF = {
    "RunTables": "figures.run_tables",
    "ablations": "figures.ablations",
    "draw": "figures.registry",
    "erasure": "figures.erasure",
    "geometry": "figures.geometry",
    "layers": "figures.layers",
    "matrix": "figures.matrix",
    "mechanism": "figures.mechanism",
    "noise": "figures.noise",
    "on_page": "figures.theme",
    "plane": "figures.plane",
    "plane_by_language": "figures.plane",
    "read_table": "figures.tables",
    "save": "figures.theme",
    "style": "figures.theme",
    "sweep": "figures.sweep",
}


class _Package(ModuleType):
    # Importing the submodule `figures.plane` would bind the name `plane` to the module; the function keeps it.
    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODULE_OF and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'figures' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
