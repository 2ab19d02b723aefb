from ._ablations import ablations
from ._erasure import erasure
from ._files import replace_file
from ._geometry import geometry
from ._latex import TABLES, latex
from ._layers import PANELS, layers
from ._lens import lens
from ._matrix import matrix
from ._mechanism import mechanism
from ._noise import noise
from ._numbers import estimate
from ._plane import plane, plane_by_language
from ._registry import FIGURES, draw, lacking
from ._run_tables import RunTables
from ._sweep import sweep
from ._tables import read_table
from ._theme import DrawingError, add_font, on_page, save, style
from ._wording import (
    ADJUSTED,
    MACRO,
    Row,
    difference,
    direction,
    language_name,
    listed,
    named_p,
    number,
    other_way,
    p_equals,
    p_value,
    shown_p,
)

__all__ = [
    "ADJUSTED",
    "FIGURES",
    "MACRO",
    "PANELS",
    "TABLES",
    "DrawingError",
    "Row",
    "RunTables",
    "ablations",
    "add_font",
    "difference",
    "direction",
    "draw",
    "erasure",
    "estimate",
    "geometry",
    "lacking",
    "language_name",
    "latex",
    "layers",
    "lens",
    "listed",
    "matrix",
    "mechanism",
    "named_p",
    "noise",
    "number",
    "on_page",
    "other_way",
    "p_equals",
    "p_value",
    "plane",
    "plane_by_language",
    "read_table",
    "replace_file",
    "save",
    "shown_p",
    "style",
    "sweep",
]
