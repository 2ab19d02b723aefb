"""Theme: repeatable files, nothing changed outside, looks that survive a grey print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from figures import _theme as theme

ROOT = Path(__file__).parents[2]


def drawing() -> theme.PaperFigure:
    with theme.style():
        figure = theme.new_figure(theme.page().single, 2.0)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], marker="o", label="line")
        axes.fill_between([0, 1], [0, 0.5], [0.2, 1.2], alpha=0.2)
        axes.legend()
        theme.freeze(figure)
    return figure


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_same_bytes_when_saved_twice_and_drawn_twice(tmp_path: Path) -> None:
    figure = drawing()
    first, second, redrawn = (
        [path.read_bytes() for path in theme.save(each, tmp_path / name / "figure")]
        for each, name in ((figure, "a"), (figure, "b"), (drawing(), "c"))
    )
    assert first == second == redrawn


def test_saved_files_are_complete_typed_and_undated(tmp_path: Path) -> None:
    pdf, svg, png = theme.save(drawing(), tmp_path / "plane.el")
    assert [path.name for path in (pdf, svg, png)] == ["plane.el.pdf", "plane.el.svg", "plane.el.png"]
    assert sorted(tmp_path.iterdir()) == sorted([pdf, svg, png])
    content = pdf.read_bytes()
    assert b"/Subtype /CIDFontType2" in content or b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content
    assert b"<dc:date>" not in svg.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = theme.save(drawing(), tmp_path / "figure", ("png",))
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        theme.save(drawing(), tmp_path / "figure", ("png",))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "formats"), [("figure", ("gif",)), ("figure", ()), ("figure.pdf", ("pdf",))])
def test_save_refuses(tmp_path: Path, name: str, formats: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"format|suffix"):
        theme.save(drawing(), tmp_path / name, formats)


def test_style_is_undone_and_ignores_the_callers(tmp_path: Path) -> None:
    (plain,) = theme.save(drawing(), tmp_path / "plain", ("svg",))
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "lines.linewidth": 9}):
        before = matplotlib.rcParams.copy()
        (same,) = theme.save(drawing(), tmp_path / "same", ("svg",))
        assert matplotlib.rcParams.copy() == before
    assert plain.read_bytes() == same.read_bytes()


def test_pyplot_and_backend_are_left_alone(tmp_path: Path) -> None:
    code = f"""
import sys, matplotlib
matplotlib.use("svg")
from figures import _theme as theme
with theme.style():
    figure = theme.new_figure(2, 2); figure.subplots().plot([0, 1]); theme.freeze(figure)
    inside = matplotlib.get_backend()
assert figure._repr_png_().startswith(b"\\x89PNG")
theme.save(figure, {str(tmp_path / "figure")!r})
print(inside, matplotlib.get_backend(), "matplotlib.pyplot" in sys.modules)
"""
    assert run(code).split() == ["svg", "svg", "False"]


def test_importing_figures_imports_nothing_heavy() -> None:
    code = """
import sys, figures
print(sorted({"torch", "matplotlib", "pandas", "numpy", "interp"} & set(sys.modules)))
from figures import plane, layers
print(sorted({"torch", "interp", "matplotlib.pyplot"} & set(sys.modules)))
"""
    assert run(code).split() == ["[]", "[]"]


@pytest.mark.parametrize(
    "first", ["import figures._plane, figures._layers", "import figures", "from figures import save"]
)
def test_exports_are_functions_whatever_was_imported_first(first: str) -> None:
    code = f"""
{first}
import figures
assert all(callable(getattr(figures, name)) for name in ("plane", "layers", "matrix", "sweep", "save"))
assert figures.plane is __import__("sys").modules["figures._plane"].plane
assert set(figures.__all__) <= set(dir(figures))
try: figures.nothing
except AttributeError as error: print(error)
"""
    assert "nothing" in run(code)


def test_markers_are_unique() -> None:
    looks = theme.looks([*theme.KNOWN, *(f"new_{letter}" for letter in "abcdefghijkl")])
    markers = [str(look.marker) for look in looks.values()]
    assert len(set(markers)) == len(markers)
    assert {look.color for look in looks.values() if not look.control} <= {
        theme.BLACK,
        theme.ORANGE,
        theme.SKY,
        theme.GREEN,
        theme.YELLOW,
        theme.BLUE,
        theme.VERMILLION,
        theme.PURPLE,
    }
    assert {look.color for look in looks.values() if look.control} == {theme.GREY}


def test_numbered_controls_share_their_controls_look() -> None:
    assert list(theme.looks(["random_00", "random_19", "random", "surgical"])) == ["random", "surgical"]
    assert theme.is_control("shuffled:3")
    assert not theme.is_control("en")
    assert not theme.is_control("midalign_2")
    assert theme.family("midalign_2") == "midalign_2"


def test_too_many_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="told apart"):
        theme.looks(f"method {i}" for i in range(100))


def test_names_of_languages_are_written_never_boxes(tmp_path: Path) -> None:
    names = {code: theme.own_name(code) for code in ("el", "fa", "zh", "ko", "hi", "xx", "not a code")}
    assert names == {
        "el": "Ελληνικά (el)", "fa": "فارسی (fa)", "zh": "中文 (zh)", "ko": "한국어 (ko)",
        "hi": "hi", "xx": "xx", "not a code": "not a code",
    }  # fmt: skip
    with theme.style():
        figure = theme.new_figure(2, 1)
        figure.text(0.1, 0.5, " ".join(names.values()))
        (pdf,) = theme.save(figure, tmp_path / "names", ["pdf"])
        assert pdf.read_bytes().count(b"/FontFile2") == 2
        figure.text(0.1, 0.1, "हिन्दी")
        with pytest.raises(theme.DrawingError, match="no font has a character of the figure"):
            theme.save(figure, tmp_path / "boxes", ["pdf"])
    assert not (tmp_path / "boxes.pdf").exists()


def test_letters_of_persian_are_joined_and_run_to_the_left() -> None:
    with theme.style():
        figure = theme.new_figure(3, 1)
        axes = figure.subplots()
        joined, apart = (axes.text(0, y, text, fontsize=20) for y, text in ((0, "فارسی"), (1, "ف ا ر س ی")))
        figure.draw_without_rendering()
        widths = [text.get_window_extent().width for text in (joined, apart)]
    letters = sum(_width(letter) for letter in "فارسی")
    assert widths[0] < 0.8 * letters  # isolated forms are wider than joined ones


def _width(text: str) -> float:
    with theme.style():
        figure = theme.new_figure(3, 1)
        drawn = figure.text(0, 0, text, fontsize=20)
        figure.draw_without_rendering()
        return float(drawn.get_window_extent().width)


@pytest.mark.parametrize("height", [2.0, 9.0])
def test_a_slide_is_16_to_9_with_the_whole_figure_in_its_middle(tmp_path: Path, height: float) -> None:
    with theme.on_page("slides"), theme.style():
        figure = theme.new_figure(theme.page().double, height)
        figure.patches.append(Rectangle((0.001, 0.001), 0.998, 0.998, transform=figure.transFigure, fill=False))
        paths = theme.save(figure, tmp_path / "slide", ("png", "svg", "png"))
    pixels = matplotlib.image.imread(tmp_path / "slide.png")[..., :3].min(axis=2)
    assert pixels.shape == (1440, 2560)
    dark = [np.flatnonzero((pixels < 0.5).any(axis=side)) for side in (0, 1)]
    scale = min(2560 / figure.get_size_inches()[0], 1440 / height)
    for places, whole, inches in zip(dark, (2560, 1440), figure.get_size_inches(), strict=True):
        assert places[0] + places[-1] == pytest.approx(whole - 1, abs=4)  # in the middle
        assert places[-1] - places[0] == pytest.approx(inches * scale * 0.998, abs=8)  # and whole
    width, tall = (
        float(re.search(rf'<svg[^>]* {side}="([0-9.]+)pt"', paths[1].read_text())[1]) for side in ("width", "height")
    )
    assert width / tall == pytest.approx(16 / 9, rel=1e-3)


def test_a_page_changes_widths_alone() -> None:
    with theme.on_page("acl"):
        assert theme.page() == theme.PAGES["acl"]
    assert theme.page() == theme.PAGES["paper"]
    with pytest.raises(theme.DrawingError, match="style 'a4' is unknown"), theme.on_page("a4"):
        pass
