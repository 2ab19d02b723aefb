"""Whose tokenizer a model has, what is said about it, and what is written with a checkpoint."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.alignment import Settings, load_trainable
from interp.alignment._lora import add_lora
from interp.alignment._writing import save_merged
from interp.errors import Notice
from interp.export import bake
from interp.model import LoadedModel
from interp.model.attribution import folded
from interp.model.load import load_model
from interp.model.read import Tokens, give_tokenizer, own_tokenizer
from interp.model.read._tokenizer import Around
from interp.steering import Plan, Steer
from tests.parity.vocabularies import write_checkpoint

TEXT = "Where is it? Answer:"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose tokenizer has a BOS and adds none, with a chat template and files of its own making."""
    folder = write_checkpoint("bos_never_added", tmp_path_factory.mktemp("plain"))
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}\n\n")
    (folder / "special_tokens_map.json").write_text('{"bos_token":   "<s>"}')
    return folder


@pytest.fixture
def bridge(folder: Path) -> Any:
    """A bridge as TransformerLens makes it, with its changed tokenizer."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return TransformerBridge.boot_transformers(str(folder), hf_model=plain.eval(), device="cpu").eval()


def test_a_model_objects_tokenizer_is_used_and_named_where_it_was_changed(bridge: Any, folder: Path) -> None:
    with pytest.warns(Notice, match=r"puts <s> in front of a text, the checkpoint's own nothing.*pass .* instead of"):
        loaded = load_model(bridge)
    told = loaded.described()
    assert (told["tokenizer"], told["in_front"], told["behind"]) == ("the model object's", "<s>", "")
    assert Tokens(bridge)(TEXT) == (1, *own_tokenizer(folder)(TEXT)["input_ids"])


def test_a_model_object_can_be_given_the_checkpoints_own(bridge: Any, folder: Path) -> None:
    give_tokenizer(bridge, own_tokenizer(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        told = load_model(bridge).described()
    assert (told["tokenizer"], told["in_front"]) == ("the checkpoint's own", "")
    expected = own_tokenizer(folder)(TEXT)["input_ids"]
    assert list(Tokens(bridge)(TEXT)) == bridge.to_tokens(TEXT)[0].tolist() == expected


def test_a_folded_copy_has_the_models_tokenizer(folder: Path) -> None:
    model = load_model(str(folder), device="cpu").model
    vocabulary, size = model.tokenizer.get_vocab(), model.cfg.d_vocab
    twin = folded(model).model
    assert twin.tokenizer is model.tokenizer
    assert twin.to_tokens(TEXT)[0].tolist() == list(Tokens(model)(TEXT))
    assert (model.tokenizer.get_vocab(), twin.cfg.d_vocab) == (vocabulary, size)


def test_tokens_around_a_text_are_found_on_either_side(organism: LoadedModel) -> None:
    from tokenizers import processors

    tokenizer = copy.deepcopy(organism.model.tokenizer)
    for single, expected in (("<s> </s> $A", ((1, 2), ())), ("<s> $A </s>", ((1,), (2,))), ("$A", ((), ()))):
        ids = [(token, number) for token, number in (("<s>", 1), ("</s>", 2)) if token in single.split()]
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)
        found = Around.of(tokenizer)
        assert (found.front, found.behind) == expected


def same_files(source: Path, target: Path) -> None:
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
    for name in names:
        assert (target / name).read_bytes() == (source / name).read_bytes(), name
    assert own_tokenizer(target)(TEXT)["input_ids"] == own_tokenizer(source)(TEXT)["input_ids"]


def test_a_baked_checkpoints_tokenizer_files_are_copies(folder: Path, tmp_path: Path) -> None:
    loaded = load_model(str(folder), device="cpu", dtype="float32")
    plan = Plan((Steer(1, torch.ones(loaded.model.cfg.d_model)),))
    same_files(folder, bake(loaded, str(folder), plan, tmp_path / "baked").folder)


def test_a_trained_checkpoints_tokenizer_files_are_copies(folder: Path, tmp_path: Path) -> None:
    trainable = load_trainable(str(folder), "cpu")
    assert trainable.described()["in_front"] == ""
    save_merged(add_lora(trainable.model, Settings("instruct")), trainable, tmp_path / "merged")
    same_files(folder, tmp_path / "merged")
