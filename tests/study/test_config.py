"""Settings are checked before anything heavy starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.errors import ConfigError
from interp.settings import read_settings
from interp.study.config import RunConfig


def test_flags_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("languages: [es, ko]\nseed: 3\nstrengths: [1, 2]\n")
    config = read_settings(path, {"seed": 5, "limit": None, "languages": None}, RunConfig)
    assert config.languages == ("es", "ko")
    assert config.seed == 5
    assert config.strengths == (1.0, 2.0)


def test_languages_may_be_one_word() -> None:
    assert read_settings(None, {"languages": "es, zh"}, RunConfig).languages == ("es", "zh")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 1}, "config key 'seeds' is unknown"),
        ({"limit": 3}, "limit 3 is not allowed"),
        ({"seed": "x"}, "seed 'x' is not allowed; allowed: a whole number"),
        ({"strengths": "0"}, "strengths"),
        ({"normalisation": "letters"}, "allowed: bytes, sum, mean, pmi, letter, sentence"),
        ({"draws": 0}, "draws 0 is not allowed; allowed: whole numbers from 1"),
        ({"layers": "1.5"}, "layers"),
        ({"budget": "soon"}, "budget"),
        ({"budget": "5m", "design": "small"}, "budget"),
        ({"design": "tiny"}, "design"),
    ],
)
def test_what_is_not_allowed_is_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(None, values, RunConfig)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_a_file_that_is_no_mapping(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"can't be read|does not contain any keys"):
        read_settings(path, {}, RunConfig)


def test_the_default_folder_names_model_and_data() -> None:
    assert RunConfig(model="some/where/gemma").folder == Path("runs/gemma-atlas-atlas")
    assert RunConfig(out="x/y").folder == Path("x/y")
