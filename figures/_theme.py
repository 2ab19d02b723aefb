"""One look for every figure: sizes, fonts, colours and markers per method, and files that repeat byte for byte."""

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from babel import Locale, UnknownLocaleError
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from figures._files import replace_file


@dataclass(frozen=True)
class Page:
    """Widths of a figure in one column and over the whole text, in inches, and the dots per inch of a PNG.

    Type and lines keep their size in points, so they are larger beside the figure on a narrow page. screen: pixels of a
    PNG; a figure stands in the middle of a canvas of this shape, in every format.
    """

    single: float
    double: float
    dpi: int = 300
    screen: tuple[int, int] | None = None


PAGES = {
    "paper": Page(3.4, 7.0),
    "acl": Page(3.03, 6.3),
    "icml": Page(3.25, 6.75),
    "neurips": Page(2.7, 5.5),
    "slides": Page(2.9, 5.6, screen=(2560, 1440)),
}
"""Column and text widths: `acl`, `icml` and `neurips` are those of the style files of these conferences (7.7 cm and
16 cm; 3.25 in and 6.75 in; one column of 5.5 in, here with half of it); `slides`: larger type for its size, and a
canvas of 16:9."""

_PAGE: ContextVar[Page] = ContextVar("page", default=PAGES["paper"])


def page() -> Page:
    """The page that figures are made for."""
    return _PAGE.get()


@contextmanager
def on_page(name: str) -> Iterator[None]:
    """Context for making and saving figures for a page in PAGES. Raises ValueError for another name."""
    if name not in PAGES:
        raise DrawingError(f"style {name!r} is unknown; allowed: {', '.join(PAGES)}")
    token = _PAGE.set(PAGES[name])
    try:
        yield
    finally:
        _PAGE.reset(token)


BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"


class DrawingError(ValueError):
    """A name, value or character that can't be drawn as requested; the user can correct it."""


Marker = str | tuple[int, Literal[0, 1, 2], int]

_FONTS = Path(__file__).parent / "fonts"
_MISSING = re.compile(r"Glyph \d+ .* missing from")

_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}

# Left to the host: they belong to the running program, not to the picture.
_HOST = re.compile(r"backend|interactive|toolbar|timezone|webagg|keymap|savefig\.directory|docstring|tk\.|macosx")

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#333333",
    "axes.labelpad": 2.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "figure.dpi": 150,
    "font.family": ["DejaVu Sans"],  # matplotlib's own; ours is added below: none of the machine's
    "font.size": 7.5,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.2,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "translocal",
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}


@dataclass(frozen=True)
class Look:
    """How one method is drawn: legend label, short label beside its point, colour, marker, control or not."""

    label: str
    short: str
    color: str
    marker: Marker
    control: bool = False


KNOWN: dict[str, Look] = {
    "base": Look("base (unsteered)", "base", BLACK, "o"),
    "en": Look("EN-steering", "EN", BLUE, "^"),
    "loc": Look("LOC-steering", "LOC", VERMILLION, "s"),
    "loc_contrast": Look("LOC, language contrast", "LOC contrast", SKY, "h"),
    "loc_language": Look("LOC, target language", "LOC language", PURPLE, (4, 1, 0)),
    "surgical": Look("surgical steering", "surgical", GREEN, "*"),
    "surgical_language": Look("surgical (language)", "surgical language", ORANGE, (6, 1, 0)),
    "instruct": Look("instruction tuning", "instruct", ORANGE, "D"),
    "midalign": Look("MidAlign", "MidAlign", PURPLE, "P"),
    "midalign_keep": Look("MidAlign, LOC kept", "MidAlign keep", YELLOW, "X"),
    "clo": Look("CLO", "CLO", SKY, "v"),
    "random": Look("random vector", "random", GREY, "x", control=True),
    "shuffled": Look("shuffled labels", "shuffled", GREY, "+", control=True),
    "third_language": Look("third language", "third language", GREY, "<", control=True),
    "nonfactual_en": Look("non-factual EN", "non-factual EN", GREY, ">", control=True),
    "wrong_culture": Look("wrong culture", "wrong culture", GREY, "d", control=True),
    "placebo_cue": Look("placebo cue", "placebo cue", GREY, "p", control=True),
    "wrong_language": Look("wrong language", "wrong language", GREY, "8", control=True),
}

_SPARE_COLORS = (YELLOW, ORANGE, SKY, PURPLE, GREEN, VERMILLION, BLUE)
_SPARE_MARKERS: tuple[Marker, ...] = ("H", "$\\clubsuit$", "$\\heartsuit$", "$\\spadesuit$")
_LETTERS: tuple[Marker, ...] = tuple(f"${letter}$" for letter in "ABCDEFGHKLMNQRSTUVWYZ")


def family(method: str) -> str:
    """Name under which a method is drawn: a numbered control (`random_07`) belongs to its control (`random`)."""
    stem = re.sub(r"[_:#.-]?\d+$", "", method)
    return stem if stem in KNOWN and KNOWN[stem].control else method


def is_control(method: str) -> bool:
    """Whether a method is one of the known controls, also on top of a trained model (`clo+wrong_culture`)."""
    name = family(method.rpartition("+")[2])
    return name in KNOWN and KNOWN[name].control


def of_seed(method: str) -> bool:
    """Whether a row is that of one training seed (`clo@1`, `clo@1+loc`), of which another row is the mean."""
    return "@" in method


def _on_top(method: str) -> Look:
    """A steered trained model: its own colour, and the marker of the steering on its own."""
    below, top = (KNOWN[name] for name in method.split("+"))
    return Look(f"{below.label} + {top.short}", f"{below.short}+{top.short}", below.color, top.marker, top.control)


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """Look of each family of methods, in order of first appearance.

    No two share a marker, but for steered trained models: they have the model's colour and the steering's marker.

    Raises ValueError when there are more unknown methods than markers.
    """
    families = list(dict.fromkeys(family(method) for method in methods))
    known = {name: KNOWN[name] for name in families if name in KNOWN}
    known |= {name: _on_top(name) for name in families if set(name.split("+")) <= KNOWN.keys() and name.count("+") == 1}
    unknown = [name for name in families if name not in known]
    markers = _SPARE_MARKERS + _LETTERS
    if len(unknown) > len(markers):
        raise ValueError(
            f"{len(unknown)} methods have no marker of their own; at most {len(markers)} can be told apart"
        )
    spare = {
        name: Look(name.replace("_", " "), name.replace("_", " "), _SPARE_COLORS[i % len(_SPARE_COLORS)], markers[i])
        for i, name in enumerate(unknown)
    }
    return {name: known.get(name) or spare[name] for name in families}


def label(method: str) -> str:
    """A method's name in a legend, a sentence or a table."""
    return looks([method])[family(method)].label


@contextmanager
def style() -> Iterator[None]:
    """Context for making and saving figures. Outside it, the caller's rcParams and backend are unchanged.

    Starts from matplotlib's defaults, so that a personal matplotlibrc cannot change a figure.
    """
    defaults: dict[Any, Any] = dict(matplotlib.rcParamsDefault.copy())
    with matplotlib.rc_context({key: value for key, value in defaults.items() if not _HOST.match(key)} | _STYLE):
        yield


class PaperFigure(Figure):
    """Figure outside pyplot, with an Agg canvas, that notebooks show by themselves."""

    def _repr_png_(self) -> bytes:
        return _render(self, "png", dpi=150)


def new_figure(width: float, height: float) -> PaperFigure:
    """Empty figure of a size in inches, under a constrained layout; call it within `style()`."""
    figure = PaperFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def ink(background: Any) -> str:
    """Black or white, whichever has more contrast with a background colour (WCAG 2 relative luminance)."""
    channels = np.array(to_rgb(background))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#FFFFFF"


def frame(x: int, y: int, gid: str, color: str = VERMILLION) -> Rectangle:
    """A frame around the cell (x, y) of a heat map."""
    return Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fill=False, ec=color, lw=1.1, zorder=4, gid=gid)


def band(
    axes: Axes,
    rows: pd.DataFrame,
    column: str,
    color: str,
    *,
    alpha: float,
    gid: str,
    label: str | None = None,
    zorder: float = 2,
) -> None:
    """Shade the interval of a column (`column_lo` to `column_hi`) over the column `layer`; nothing without bounds."""
    low, high = f"{column}_lo", f"{column}_hi"
    if low in rows and high in rows:
        values = rows[["layer", low, high]].to_numpy(float).T
        axes.fill_between(*values, color=color, alpha=alpha, lw=0, label=label, zorder=zorder, gid=gid)


def few_ticks(axes: Axes, axis: Literal["x", "y"]) -> None:
    """At most five round numbers on an axis."""
    axes.locator_params(axis=axis, nbins=5, steps=[1, 2, 5, 10])


def layer_axis(axes: Axes) -> None:
    """Name the horizontal axis as the layers, with whole numbers."""
    axes.set_xlabel("layer (residual stream after block)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def legend_above(axes: Axes, columns: int = 3, spacing: float = 0.9) -> None:
    """A legend above the axes, at their left edge."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, handlelength=1.6, columnspacing=spacing,
        labelspacing=0.2,
    )  # fmt: skip


def letters(panels: Iterable[Axes]) -> None:
    """A bold letter beside the upper left corner of each panel, for captions to name."""
    for letter, axes in zip("abcdefghijklmnop", panels, strict=False):
        axes.annotate(
            letter, (0, 1), (-4, 2), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
            fontsize=8, fontweight="bold", fontfamily="DejaVu Sans", gid=f"letter:{letter}",
        )  # fmt: skip


def freeze(figure: Figure) -> None:
    """Run the layout once and keep its result, so that every later drawing, in any format, has the same positions."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def save(
    figure: Figure, path_without_suffix: str | os.PathLike[str], formats: Sequence[str] = ("pdf", "svg", "png")
) -> tuple[Path, ...]:
    """Write a figure once per format and return the paths. Equal figures give equal bytes.

    Each file is written completely or not at all. Raises ValueError for an unknown format, or a path that has such a
    suffix.
    """
    stem = Path(path_without_suffix)
    unknown = [name for name in formats if name not in _METADATA]
    if unknown or not formats:
        raise DrawingError(
            f"formats {', '.join(formats) or 'of none'} are not allowed; allowed: {', '.join(sorted(_METADATA))}"
        )
    if stem.suffix.removeprefix(".") in _METADATA:
        raise ValueError(f"give the path without its suffix, which comes from formats: {stem}")
    rendered = {stem.with_name(f"{stem.name}.{name}"): _render(figure, name) for name in formats}
    stem.parent.mkdir(parents=True, exist_ok=True)
    for path, content in rendered.items():
        replace_file(path, content)
    return tuple(rendered)


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise ValueError when a table has no rows, or lacks columns, naming them."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"the {name} table lacks the columns {missing}; it has {list(table.columns)}")
    if table.empty:
        raise ValueError(f"the {name} table has no rows")


def rows_of(table: pd.DataFrame, language: str, columns: Iterable[str], name: str) -> pd.DataFrame:
    """Rows of a language; raises ValueError for missing columns, an empty table, and a language that it lacks."""
    require_columns(table, columns, name)
    rows = table[table["language"] == language]
    if rows.empty:
        raise DrawingError(
            f"no language {language!r} in the {name} table; allowed: {', '.join(table['language'].unique())}"
        )
    return rows


def require_one_row_each(table: pd.DataFrame, keys: list[str], name: str) -> None:
    """Raise ValueError when two rows of a table have the same keys, naming them."""
    repeated = table[table.duplicated(keys)]
    if len(repeated):
        row = ", ".join(f"{key} {value}" for key, value in repeated[keys].iloc[0].items())
        raise ValueError(f"the {name} table has more than one row of {row}; keep one model, dataset and culture")


def add_font(path: str | os.PathLike[str]) -> str:
    """Use a TrueType font file for characters that the other fonts lack, in all later figures. Returns its name.

    Raises ValueError if the file is not a font.
    """
    try:
        font_manager.fontManager.addfont(path)
        name = str(font_manager.FontProperties(fname=os.fspath(path)).get_name())
    except (OSError, RuntimeError) as error:
        raise DrawingError(f"{path} can't be read as a font: {error}") from error
    families: list[str] = _STYLE["font.family"]
    if name not in families:
        families.append(name)
    return name


def own_name(code: str) -> str:
    """A language's name in its own script beside its code, `한국어 (ko)`; the code alone where no font can write it."""
    try:
        name = Locale.parse(code.replace("-", "_")).get_display_name() or ""
    except (UnknownLocaleError, ValueError):
        return code
    return f"{name} ({code})" if name and not _lacking(name) else code


def _lacking(text: str) -> set[str]:
    """Characters that no font of the style has."""
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in _STYLE["font.family"]]
    return {char for char in text if not any(font.get_char_index(ord(char)) for font in fonts)}


def _canvas(figure: Figure) -> Bbox | None:
    """The smallest canvas of the page's shape with the figure in its middle, in inches; None if the page has none."""
    screen = page().screen
    if screen is None:
        return None
    width, height = figure.get_size_inches()
    scale = max(width / screen[0], height / screen[1])
    more = [(scale * screen[0] - width) / 2, (scale * screen[1] - height) / 2]
    return Bbox([[-more[0], -more[1]], [width + more[0], height + more[1]]])


def _render(figure: Figure, name: str, dpi: float | None = None) -> bytes:
    buffer = io.BytesIO()
    canvas, screen = _canvas(figure), page().screen
    dpi = dpi or (screen[0] / canvas.width if canvas and screen else page().dpi)
    with style(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(buffer, format=name, dpi=dpi, metadata=_METADATA[name], bbox_inches=canvas)
    for warning in caught:
        if _MISSING.match(str(warning.message)):
            raise DrawingError(f"no font has a character of the figure: {warning.message}; pass one to add_font(path)")
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return buffer.getvalue()


add_font(_FONTS / "DroidSansFallback-subset.ttf")
