"""Figures of the plane, the layers, the matrix and of what training moved, drawn from result tables alone."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from figures.ablations import ablations
    from figures.erasure import erasure
    from figures.layers import layers
    from figures.matrix import matrix
    from figures.mechanism import mechanism
    from figures.noise import noise
    from figures.plane import plane, plane_by_language
    from figures.theme import save, style

__all__ = [
    "ablations", "erasure", "layers", "matrix", "mechanism", "noise", "plane", "plane_by_language", "save", "style",
]  # fmt: skip

_MODULE_OF = {
    "ablations": "figures.ablations",
    "erasure": "figures.erasure",
    "layers": "figures.layers",
    "matrix": "figures.matrix",
    "mechanism": "figures.mechanism",
    "noise": "figures.noise",
    "plane": "figures.plane",
    "plane_by_language": "figures.plane",
    "save": "figures.theme",
    "style": "figures.theme",
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
