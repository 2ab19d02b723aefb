"""Lengths at which a model changes: a row's numbers are its own, whatever stands beside it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.errors import Notice
from interp.model import HookedModel, LoadedModel
from interp.model.load import load_model
from interp.model.read import Budget, Reading, batches, side, switches_in
from interp.steering import Plan, Steer
from interp.steering._generation import Finish, Steps
from interp.steering.engine import Layout, Patch, Stem, reference_logp, replay_of
from tests.conftest import tiny_config, vocabulary, write_model

SWITCH = 20
LENGTHS = (9, 20, 21, 40, 19, 22, 15, 30)
LIMIT = 1e-4


def longrope_config():
    """Phi 3's kind: other rotary factors for rows of more than SWITCH tokens."""
    import transformers

    shared = {key: value for key, value in tiny_config("llama", vocabulary()).to_dict().items() if key in (
        "vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "initializer_range", "hidden_size",
        "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    )}  # fmt: skip
    scaling = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 4.0, 9.0, 16.0]}
    return transformers.Phi3Config(
        **shared, max_position_embeddings=128, original_max_position_embeddings=SWITCH, rope_scaling=scaling
    )


@pytest.fixture(scope="module")
def longrope_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(longrope_config(), tmp_path_factory.mktemp("longrope"))


@pytest.fixture(scope="module")
def longrope(longrope_folder: Path) -> LoadedModel:
    return load_model(str(longrope_folder), device="cpu")


@pytest.fixture(scope="module")
def sequences() -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.randint(10, 3000, (length,), generator=generator).tolist()) for length in LENGTHS]


@pytest.fixture(scope="module")
def layout(sequences: list[tuple[int, ...]]) -> Layout:
    """Contexts of all lengths, some behind a shared beginning; options of one to five tokens, so that some cross."""
    shared = sequences[4][:17]
    contexts = [*sequences, *((*shared, *sequences[3][i : i + 2]) for i in range(6))]
    stems, number = [], 0
    for i, context in enumerate(contexts):
        endings = [tuple(sequences[3][i + j : i + j + 1 + 2 * j]) for j in range(3)]
        stems.append(Stem(context, tuple((number + j, ending) for j, ending in enumerate(endings))))
        number += 3
    return Layout(tuple(stems), np.arange(0, number + 1, 3), np.ones(number), np.ones(number))


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
    return [
        Plan(),
        Plan((Steer(0, vectors[0], 1.0, positions="all"),)),
        Plan((Steer(1, vectors[1], 1.0, positions="last"),)),
    ]


def oracle_of(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def test_the_switch_is_read_from_the_configuration(longrope: LoadedModel, organism: LoadedModel) -> None:

    assert switches_in(longrope.model) == (SWITCH,)
    assert switches_in(organism.model) == ()
    assert [side(length, (20, 30)) for length in (20, 21, 30, 31)] == [0, 1, 1, 2]


def test_batches_never_cross_a_switch() -> None:
    rows = [[1] * length for length in LENGTHS]
    made = list(batches(rows, [1] * len(rows), 3, switches=(SWITCH,)))
    assert sorted(row for batch in made for row in batch.rows) == list(range(len(rows)))
    assert {tuple(sorted({len(rows[row]) > SWITCH for row in batch.rows})) for batch in made} == {(False,), (True,)}
    assert len(batches_of_all := list(batches(rows, [1] * len(rows), 99, switches=(SWITCH,)))) == 2
    assert [batch.tokens.shape for batch in batches_of_all] == [(4, 40), (4, 20)]


def test_the_batch_matters_to_transformers_itself(longrope_folder: Path, sequences: list[tuple[int, ...]]) -> None:
    """Else the tests below would prove nothing: a longer neighbour moves a short row's logits."""
    oracle, short, long = oracle_of(longrope_folder), sequences[0], sequences[3]
    padded = torch.tensor([[*short, *[0] * (len(long) - len(short))], long])
    with torch.inference_mode():
        beside, alone = oracle(padded).logits[0, : len(short)], oracle(torch.tensor([short])).logits[0]
    assert (beside - alone).abs().max() > 100 * LIMIT


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_residuals_are_those_of_the_row_alone(
    batch_size: int, longrope: LoadedModel, longrope_folder: Path, sequences: list[tuple[int, ...]]
) -> None:
    oracle = oracle_of(longrope_folder)
    for rows, found in Reading(longrope.model).stream(sequences, batch_size=batch_size):
        for i, row in enumerate(rows):
            with torch.inference_mode():
                hidden = oracle(torch.tensor([sequences[row]]), output_hidden_states=True).hidden_states
            expected = torch.stack([state[0, -1] for state in hidden[:-1]])
            assert (found[:-1, i] - expected).abs().max() <= LIMIT


def test_scores_are_those_of_the_row_alone(
    longrope: LoadedModel, longrope_folder: Path, layout: Layout, plans: list[Plan]
) -> None:
    oracle = oracle_of(longrope_folder)
    expected = np.zeros(len(layout.tokens))
    for stem in layout.stems:
        for option, ending in stem.endings:
            with torch.inference_mode():
                logits = oracle(torch.tensor([[*stem.context, *ending[:-1]]])).logits[0, len(stem.context) - 1 :]
            expected[option] = logits.log_softmax(-1)[torch.arange(len(ending)), list(ending)].sum()
    alone = reference_logp(longrope.model, layout, plans, batch_size=1)
    assert np.abs(alone[0] - expected).max() <= LIMIT
    assert np.abs(reference_logp(longrope.model, layout, plans, batch_size=64) - alone).max() <= LIMIT
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        replay = replay_of(longrope.model)
    assert replay is not None
    for batch_size in (1, 5, 64):
        assert np.abs(replay.logp(layout, plans, batch_size=batch_size) - alone).max() <= LIMIT


def test_patched_scores_do_not_depend_on_the_engine(longrope: LoadedModel, tmp_path: Path, layout: Layout) -> None:
    from interp.steering.engine import _patching as patching

    config = longrope_config()
    folder = write_model(config, tmp_path)
    trained = oracle_of(folder)
    with torch.no_grad():
        for weight in trained.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    trained.save_pretrained(folder)
    model = load_model(str(folder), device="cpu").model
    patches = [None, Patch(1)]
    fast = patching._replayed(longrope.model, model)
    assert fast is not None
    slow = patching._Reference(longrope.model, model)
    alone, together = (Budget(model, batch_size=size) for size in (1, 64))
    expected = slow(layout, patches, None, alone)
    assert np.abs(fast(layout, patches, None, together) - expected).max() <= LIMIT
    assert np.abs(slow(layout, patches, None, together) - expected).max() <= LIMIT


def test_a_text_that_crosses_the_switch_while_it_grows(
    longrope: LoadedModel, longrope_folder: Path, sequences: list[tuple[int, ...]]
) -> None:
    """Each token is the one that Transformers gives for the whole sequence so far, on its own."""
    oracle = oracle_of(longrope_folder)
    prompts = [sequences[6], sequences[3], sequences[4]]
    model = longrope.model
    grown = Steps(model, prompts, 10, Finish(model, None), "replay", Budget(model)).last(Plan())
    for prompt, new in zip(prompts, grown, strict=True):
        row = list(prompt)
        for token in new:
            with torch.inference_mode():
                assert int(oracle(torch.tensor([row])).logits[0, -1].argmax()) == token
            row.append(token)
    assert len(prompts[0]) <= SWITCH < len(prompts[0]) + len(grown[0])


def test_dynamic_scaling_begins_behind_the_longest_text(tmp_path: Path) -> None:
    """Its factors change beyond `max_position_embeddings`, and no text is that long."""
    config = tiny_config("llama", vocabulary())
    config.rope_parameters = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}
    model: HookedModel = load_model(str(write_model(config, tmp_path)), device="cpu").model
    assert model.cfg.n_ctx == config.max_position_embeddings
    row = torch.arange(10, 30)[None]
    longest = torch.arange(10, 10 + config.max_position_embeddings)[None]
    with torch.inference_mode():
        before = model(row, return_type="logits")
        model(longest, return_type="logits")
        assert torch.equal(model(row, return_type="logits"), before)
        beside = torch.cat([torch.nn.functional.pad(row, (0, longest.shape[1] - row.shape[1])), longest])
        assert (model(beside, return_type="logits")[0, :20] - before[0]).abs().max() <= LIMIT
