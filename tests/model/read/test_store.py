"""Residuals on disk: equal to those in memory, resumed after a kill, never mixed with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.errors import DataError, OutputError
from interp.model import LoadedModel
from interp.model.read import Reading, ResidualStore, read_residuals, store_residuals


def test_a_store_holds_what_reading_gives(organism: LoadedModel, texts: list[str], tmp_path: Path) -> None:
    expected = read_residuals(organism.model, texts, layers=[3, -1]).numpy()
    store = store_residuals(organism.model, texts, tmp_path / "store", layers=[3, -1], shard_size=6)
    assert len(list((tmp_path / "store").glob("*.safetensors"))) == -(-len(texts) // 6)
    assert store.layers == (3, -1)
    for found in (store, ResidualStore(tmp_path / "store")):
        assert len(found) == 2
        np.testing.assert_allclose(np.stack(list(found)), expected, atol=1e-4)
        np.testing.assert_array_equal(found[-1], found[1])
    with pytest.raises(IndexError):
        store[2]


def test_a_killed_job_goes_on_where_it_was(
    organism: LoadedModel, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Reading._read
    calls: list[int] = []

    def killed(self, batch, forwards):
        calls.append(len(batch.rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, batch, forwards)

    settings = {"shard_size": 5}
    monkeypatch.setattr(Reading, "_read", killed)
    with pytest.raises(KeyboardInterrupt):
        store_residuals(organism.model, texts, tmp_path, **settings)
    with pytest.raises(DataError, match="is not finished"):
        ResidualStore(tmp_path)
    assert not list(tmp_path.glob(".*partial"))
    calls[:] = [0, 0, 0]
    done: list[float] = []
    store = store_residuals(organism.model, texts, tmp_path, progress=done.append, **settings)
    assert sum(calls) == len(texts) - 10
    assert sum(done) == len(texts)
    np.testing.assert_allclose(np.stack(list(store)), read_residuals(organism.model, texts).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layers": [1]}, "layers"),
        ({"position": "mean"}, "position: -1 there, 'mean' here"),
        ({"shard_size": 3}, "shard_size"),
    ],
)
def test_other_settings_are_refused(
    organism: LoadedModel, texts: list[str], tmp_path: Path, change: dict, named: str
) -> None:
    store_residuals(organism.model, texts, tmp_path)
    with pytest.raises(OutputError, match=named):
        store_residuals(organism.model, texts, tmp_path, **change)


def test_other_texts_are_refused(organism: LoadedModel, texts: list[str], tmp_path: Path) -> None:
    store_residuals(organism.model, texts, tmp_path)
    with pytest.raises(OutputError, match="tokens"):
        store_residuals(organism.model, [*texts[1:], texts[0]], tmp_path)


def test_a_folder_with_something_else_is_kept(organism: LoadedModel, texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        store_residuals(organism.model, texts, tmp_path)
    with pytest.raises(DataError, match="does not hold residuals"):
        ResidualStore(tmp_path)


def test_stored_layers_feed_the_probes(organism: LoadedModel, texts: list[str], tmp_path: Path) -> None:
    from probes import LinearProbe

    labels = np.array(["en" if i % 4 == 0 else "other" for i in range(len(texts))])
    store = store_residuals(organism.model, texts, tmp_path, layers=[0, 4])
    assert LinearProbe().fit(store, labels).predict(store).shape == (2, len(texts))
