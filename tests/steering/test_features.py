"""Steering vectors made of a known autoencoder's features are taken apart into them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from interp.cli import app
from interp.errors import DataError, TranslocalError
from interp.steering import SteeringVectors, features, read_decoder

FEATURES, WIDTH, LAYER = 300, 48, 2
MADE = {11: 4.0, 250: -1.5}


@pytest.fixture
def decoder() -> torch.Tensor:
    return torch.randn(FEATURES, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def vectors(decoder: torch.Tensor) -> SteeringVectors:
    rows = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(1))
    rows[LAYER] = sum(size * decoder[row] / decoder[row].norm() for row, size in MADE.items())
    rows[3] = 0
    return SteeringVectors("loc:ko", rows, {"language": "ko"})


@pytest.mark.parametrize("name", ["W_dec", "w_dec", "decoder.weight"])
def test_a_vector_is_made_of_its_features(
    name: str, decoder: torch.Tensor, vectors: SteeringVectors, tmp_path: Path
) -> None:
    file = tmp_path / "sae.safetensors"
    stored = decoder.T if name == "decoder.weight" else decoder
    save_file({name: stored.contiguous(), "b_dec": torch.zeros(WIDTH)}, file)
    table = features([vectors], read_decoder(file), LAYER, most=2)
    assert dict(zip(table["feature"], table["coefficient"], strict=True)) == pytest.approx(MADE, abs=1e-4)
    assert table["explained"].iloc[-1] == pytest.approx(1)
    assert table["explained_random"].iloc[-1] < 0.6
    assert (table["vector"] == "loc:ko").all()


def test_on_the_command_line(decoder: torch.Tensor, vectors: SteeringVectors, tmp_path: Path) -> None:
    save_file({"W_dec": decoder}, tmp_path / "sae.safetensors")
    (tmp_path / "run" / "vectors").mkdir(parents=True)
    vectors.save(tmp_path / "run" / "vectors" / "loc.ko.safetensors")
    words = ["features", tmp_path / "run", "--sae", tmp_path / "sae.safetensors", "--layer", LAYER, "--most", 2]
    done = CliRunner().invoke(app, [*map(str, words), "--out", str(tmp_path / "f.csv")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "11 (+0.9" in done.output
    assert pd.read_csv(tmp_path / "f.csv")["feature"].tolist() == [11, 250]


def test_what_is_not_allowed(decoder: torch.Tensor, vectors: SteeringVectors, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="loc:ko is zero at layer 3"):
        features([vectors], decoder, 3)
    with pytest.raises(DataError, match="has width 48, the autoencoder 40"):
        features([vectors], decoder[:, :40], LAYER)
    with pytest.raises(DataError, match="most 49 is not allowed; allowed: 1 to 48"):
        features([vectors], decoder, LAYER, most=49)
    with pytest.raises(TranslocalError, match="no vector for layer 9"):
        features([vectors], decoder, 9)
    save_file({"b_dec": torch.zeros(3)}, tmp_path / "sae.safetensors")
    with pytest.raises(DataError, match="has no decoder: its tensors are b_dec"):
        read_decoder(tmp_path / "sae.safetensors")
    (tmp_path / "sae.pt").write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"sae.pt can't be read as safetensors.*pickled files"):
        read_decoder(tmp_path / "sae.pt")
