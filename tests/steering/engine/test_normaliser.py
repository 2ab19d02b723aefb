"""The bounded normaliser: exact where it must be, the same by both engines, whatever the batch and the neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data import Prompt
from interp.model import LoadedModel, shape_from_config
from interp.model.load import load_model, organism_folder
from interp.model.read import Tokens
from interp.steering import Plan, Steer
from interp.steering.engine import BoundedNormaliser, bounded_normaliser, costs, score, tokenise, unsteered_mass

LIMIT = 1e-4
ENDINGS = (" París", " 서울 123", " the old capital of nowhere", " the old house", " the old capital")
SMALL = {"mass": 0.5, "most_words": 40, "sample": 60}


@pytest.fixture
def prompts(texts: list[str]) -> list[Prompt]:
    """Ragged prompts, some behind a shared beginning; options of one and of several tokens that begin alike."""
    shots = " ".join(texts[:2])
    ragged = [Prompt(str(i), "en", text, ENDINGS) for i, text in enumerate(texts[:6])]
    return ragged + [Prompt(f"shot {i}", "en", f"{shots} {text}", ENDINGS[:3]) for i, text in enumerate(texts[2:7])]


def plans_for(loaded: LoadedModel) -> list[Plan]:
    vectors = torch.randn(3, loaded.model.cfg.d_model, generator=torch.Generator().manual_seed(1))
    return [
        Plan(),
        Plan((Steer(0, vectors[0], 0.8),)),
        Plan((Steer(1, vectors[1], 1.2, positions="last"),)),
        Plan((Steer(0, vectors[2], 0.5, "rotate", "all"), Steer(1, vectors[0], 0.7, "add", "last"))),
    ]


def by_hand(loaded: LoadedModel, asked: list[Prompt], normaliser: BoundedNormaliser, plan: Plan) -> np.ndarray:
    """The definition, by a forward per option with all logits, steered and not."""
    tokens, found = Tokens(loaded.model), []
    words, sample = (torch.from_numpy(some) for some in (normaliser.words, normaliser.sample))
    others = torch.from_numpy(np.setdiff1d(np.arange(loaded.model.cfg.d_vocab), normaliser.words))
    layout = tokenise(asked, tokens)
    for stem in layout.stems:
        for option, ending in stem.endings:
            ids = torch.tensor([[*stem.context, *ending[:-1]]])
            read = slice(len(stem.context) - 1, None)
            hooks = [
                (f"blocks.{s.layer}.hook_resid_post", _adds(s.strength * s.vector, len(stem.context), s.positions))
                for s in plan.steers
            ]
            with torch.inference_mode():
                plain = loaded.model(ids, return_type="logits")[0, read].double()
                moved = loaded.model.run_with_hooks(ids, return_type="logits", fwd_hooks=hooks)[0, read].double()
            factor = moved[:, sample].exp().sum(-1) / plain[:, sample].exp().sum(-1)
            z = moved[:, words].exp().sum(-1) + plain[:, others].exp().sum(-1) * factor
            wanted = moved[torch.arange(len(ending)), list(ending)]
            found.append((option, float((wanted - z.log()).sum())))
    return np.array([logp for _, logp in sorted(found)])


def _adds(vector: torch.Tensor, length: int, positions: str):
    def hook(stream: torch.Tensor, hook: object) -> torch.Tensor:
        moved = stream.clone()
        moved[:, length - 1 if positions == "last" else 0 :] += vector
        return moved

    return hook


def test_it_is_what_the_definition_says(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    vectors = torch.randn(2, tiny.model.cfg.d_model, generator=torch.Generator().manual_seed(1))
    plans = [Plan((Steer(0, vectors[0], 0.8, positions="all"),)), Plan((Steer(1, vectors[1], 1.2, positions="last"),))]
    normaliser = bounded_normaliser(tiny.model, prompts, **SMALL)
    assert 40 <= len(normaliser.words) < 80
    assert len(normaliser.sample) == 60
    assert not set(normaliser.words) & set(normaliser.sample)
    expected = np.stack([by_hand(tiny, prompts, normaliser, plan) for plan in plans])
    for engine in ("replay", "reference"):
        found = score(tiny.model, prompts, plans, engine=engine, normaliser=normaliser).logp
        assert np.abs(found - expected).max() <= LIMIT
    exact = score(tiny.model, prompts, plans).logp
    assert np.abs(expected - exact).max() > 10 * LIMIT, "an estimate that equals the exact value proves nothing"


def test_without_a_steer_it_is_exact(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    normaliser = bounded_normaliser(tiny.model, prompts, **SMALL)
    exact = score(tiny.model, prompts)
    assert np.abs(score(tiny.model, prompts, normaliser=normaliser).logp - exact.logp).max() <= LIMIT


def test_over_the_whole_vocabulary_it_is_exact(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    normaliser = bounded_normaliser(tiny.model, prompts, mass=1, most_words=10**9)
    assert len(normaliser.words) == tiny.model.cfg.d_vocab
    assert normaliser.share == pytest.approx(1)
    plans = plans_for(tiny)
    bounded, exact = score(tiny.model, prompts, plans, normaliser=normaliser), score(tiny.model, prompts, plans)
    assert np.abs(bounded.logp - exact.logp).max() <= LIMIT


def test_engines_batches_order_and_neighbours_do_not_matter(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    plans = plans_for(tiny)
    normaliser = bounded_normaliser(tiny.model, prompts, **SMALL)
    expected = score(tiny.model, prompts, plans, engine="reference", normaliser=normaliser)
    for batch_size in (1, 3, 64):
        found = score(tiny.model, prompts, plans, batch_size=batch_size, normaliser=normaliser).logp
        assert np.abs(found - expected.logp).max() <= LIMIT
    some = [8, 2, 5]
    found = score(tiny.model, [prompts[i] for i in some], plans, normaliser=normaliser)
    for place, i in enumerate(some):
        for plan in range(len(plans)):
            assert np.abs(found.of(place, plan) - expected.of(i, plan)).max() <= LIMIT


def test_words_and_sample_do_not_depend_on_batch_or_order(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    first = bounded_normaliser(tiny.model, prompts, **SMALL)
    for other in (
        bounded_normaliser(tiny.model, prompts, **SMALL, batch_size=1),
        bounded_normaliser(tiny.model, prompts[::-1], **SMALL),
    ):
        assert np.array_equal(first.words, other.words)
        assert np.array_equal(first.sample, other.sample)
        assert first.rest.keys() == other.rest.keys()
        assert max(abs(first.rest[key] - other.rest[key]) for key in first.rest) <= LIMIT
    assert not np.array_equal(first.sample, bounded_normaliser(tiny.model, prompts, **SMALL, seed=1).sample)


def test_it_sums_the_likeliest_words_and_every_options_token(organism: LoadedModel, prompts: list[Prompt]) -> None:
    normaliser = bounded_normaliser(organism.model, prompts, mass=0.9)
    tokens, shares = Tokens(organism.model), []
    layout, options = tokenise(prompts, tokens), set()
    for stem in layout.stems:
        rows = {(*stem.context, *ending[:step]) for _, ending in stem.endings for step in range(len(ending))}
        options |= {token for _, ending in stem.endings for token in ending}
        with torch.inference_mode():
            shares += [organism.model(torch.tensor([row]))[0, -1].double().softmax(-1).numpy() for row in sorted(rows)]
    share = np.mean(shares, axis=0)
    order = np.argsort(-share)
    wanted = set(order[: int((np.cumsum(share[order]) < 0.9).sum()) + 1].tolist())
    assert set(normaliser.words.tolist()) == wanted | options
    assert normaliser.share == pytest.approx(share[normaliser.words].sum(), abs=1e-5)
    assert normaliser.share >= 0.9


def test_other_prompts_and_other_models_are_refused(organism: LoadedModel, prompts: list[Prompt]) -> None:
    normaliser = bounded_normaliser(organism.model, prompts[:3])
    with pytest.raises(ValueError, match="made without some of these prompts"):
        score(organism.model, prompts[:4], normaliser=normaliser)
    other = load_model(str(organism_folder()), device="cpu").model
    with pytest.raises(ValueError, match="another model"):
        score(other, prompts[:3], normaliser=normaliser)


def test_no_prompts_are_refused(organism: LoadedModel) -> None:
    with pytest.raises(ValueError, match="at least one prompt"):
        bounded_normaliser(organism.model, [])


@pytest.mark.parametrize("wrong", [{"mass": 1.5}, {"sample": 0}, {"most_words": -1}])
def test_settings_that_make_no_sense_are_refused(organism: LoadedModel, prompts: list[Prompt], wrong: dict) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        bounded_normaliser(organism.model, prompts, **wrong)


def test_costs_count_the_words_that_are_unembedded(organism: LoadedModel, prompts: list[Prompt]) -> None:
    shape = shape_from_config(organism.model.original_model.config)
    layout, plans = tokenise(prompts, Tokens(organism.model)), plans_for(organism)
    exact, plain = costs(shape, layout, plans)
    bounded, same = costs(shape, layout, plans, words=100)
    assert same == plain
    assert bounded.unembedding == pytest.approx(exact.unembedding * 100 / shape.d_vocab)
    assert exact.flops - bounded.flops == pytest.approx(exact.unembedding - bounded.unembedding)


def test_words_that_other_prompts_make_likely_are_summed_too(tiny: LoadedModel, prompts: list[Prompt]) -> None:
    """`unsteered_mass` is the mean of the model's own softmax over the positions that are read."""
    mass = unsteered_mass(tiny.model, prompts[:2])
    layout, rows = tokenise(prompts[:2], Tokens(tiny.model)), {}
    for stem in layout.stems:
        for _, ending in stem.endings:
            with torch.inference_mode():
                logits = tiny.model(torch.tensor([[*stem.context, *ending[:-1]]]), return_type="logits")[0].double()
            for step in range(len(ending)):
                at = len(stem.context) - 1 + step
                rows[(*stem.context, *ending[:step])] = logits[at].softmax(-1).numpy()
    np.testing.assert_allclose(mass, np.mean(list(rows.values()), axis=0), atol=1e-6)
    plain = bounded_normaliser(tiny.model, prompts, **SMALL)
    unlikely = np.setdiff1d(np.arange(len(mass)), plain.words)[:5]
    also = np.zeros_like(mass)
    also[unlikely] = 0.2
    assert set(unlikely) <= set(bounded_normaliser(tiny.model, prompts, also=also, **SMALL).words)
