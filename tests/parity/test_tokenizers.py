"""Every kind of tokenizer encodes as plain Transformers does, and its scores are those of a plain script and lm-eval."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from interp.alignment import load_trainable
from interp.alignment._encoding import Encoder
from interp.data import Prompt, atlas, everything, universal_tasks
from interp.model import LoadedModel
from interp.model.attribution import contrasts
from interp.model.load import load_model, outline
from interp.model.read import Template, Tokens, read_residuals
from interp.steering import Plan, Steer, generate
from interp.steering.engine import score
from interp.steering.engine._engine import ENGINES
from interp.study.ask import score_tasks
from interp.study.config import RunConfig
from tests.parity.vocabularies import BOS, EOS, KINDS, write_checkpoint

BOUND = 1e-3
TEXT = "What is the capital of France? Answer:"
AROUND = {
    "adds_bos": (BOS, ""), "bos_never_added": ("", ""), "begins_with_eos": (EOS, ""), "appends_eos": ("", EOS),
    "bos_and_eos": (BOS, EOS), "byte_level": ("", ""), "prefix_space": (BOS, ""), "lower_casing": ("", ""),
    "joining": (BOS, ""),
}  # fmt: skip
"""What each kind puts in front of a text and behind it."""


class Kind(NamedTuple):
    """A checkpoint, loaded by us and by plain Transformers."""

    name: str
    folder: Path
    ours: LoadedModel
    plain: Any
    tokenizer: Any


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = write_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ours = load_model(str(folder), device="cpu")
    return Kind(request.param, folder, ours, plain, AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """Questions in three scripts with their options, and one whose options begin with a mark of punctuation."""
    dataset = atlas.universal()
    asked = [task.prompt for code in ("en", "el", "zh") for task in universal_tasks(dataset, code, "test", everything)]
    return [
        *asked[:: len(asked) // 24],
        Prompt("quoted", "zh", "哪部小说？答案：", ("《红楼梦》", "西游记", "：《水》")),
    ]


def logp(kind: Kind, ids: list[int], start: int) -> float:
    """Summed log-probability of ids from `start` on, by plain Transformers."""
    with torch.inference_mode():
        logits = kind.plain(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(float(logits[place - 1, ids[place]]) for place in range(start, len(ids)))


def plain_scores(kind: Kind, prompt: Prompt) -> tuple[list[float], bool]:
    """Log-likelihoods behind the tokens that prompt and all options share, and whether a token joins the two."""
    own = kind.tokenizer(prompt.text)["input_ids"]
    alone = kind.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
    behind = len(kind.tokenizer.encode(AROUND[kind.name][1], add_special_tokens=False))
    wholes = [kind.tokenizer(prompt.text + ending)["input_ids"] for ending in prompt.continuations]
    shared = 0
    while shared < len(own) - behind and all(whole[shared] == own[shared] for whole in wholes):
        shared += 1
    front = [] if shared else [kind.tokenizer.eos_token_id]
    found = [logp(kind, front + whole, len(front) + shared) for whole in wholes]
    return found, shared < len(own) - behind or not alone


def test_texts_are_encoded_as_transformers_encodes_them(kind: Kind, prompts: list[Prompt]) -> None:
    tokens, tokenizer = Tokens(kind.ours.model), kind.tokenizer
    before, behind = (tokenizer.encode(token, add_special_tokens=False) for token in AROUND[kind.name])
    for prompt in prompts:
        ids = tokenizer(prompt.text)["input_ids"]
        assert list(tokens(prompt.text)) == ids
        assert list(tokens.prompt(prompt.text)) == ids[: len(ids) - len(behind)]
        assert ids[: len(before)] == before
        # TransformerLens' own way, too: nothing of its changes is left
        assert kind.ours.model.to_tokens(prompt.text)[0].tolist() == ids[: len(ids) - len(behind)]
    assert kind.ours.model.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert kind.ours.model.tokenizer.eos_token == tokenizer.eos_token
    assert kind.ours.model.tokenizer.bos_token == tokenizer.bos_token
    assert outline(str(kind.folder), "float32").tokenizer(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert load_trainable(str(kind.folder), "cpu").tokenizer(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_a_manifest_says_what_stands_around_a_text(kind: Kind) -> None:
    told = kind.ours.described()
    assert (told["in_front"], told["behind"]) == AROUND[kind.name]
    assert told["tokenizer"] == "the checkpoint's own"


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_are_those_of_a_plain_script(kind: Kind, prompts: list[Prompt], engine: Any) -> None:
    scores = score(kind.ours.model, prompts, engine=engine)
    joined = 0
    for number, prompt in enumerate(prompts):
        expected, joins = plain_scores(kind, prompt)
        joined += joins
        assert np.abs(np.array(expected) - scores.of(number)).max() < BOUND, prompt
        assert int(np.argmax(expected)) == int(scores.of(number).argmax())
    assert (joined > len(prompts) / 2) == (kind.name == "joining")


def test_steering_at_the_last_token_begins_where_options_part(kind: Kind, prompts: list[Prompt]) -> None:
    """Both engines steer from the last token that prompt and options share: a hook of torch is the oracle."""
    vector = torch.randn(kind.ours.model.cfg.d_model, generator=torch.Generator().manual_seed(1))
    plan = Plan((Steer(1, vector, 2.0, positions="last"),))
    prompt = prompts[-1]
    context, endings = Tokens(kind.ours.model).split(prompt.text, prompt.continuations)

    def hook(module: Any, args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, len(context) - 1 :] += 2.0 * vector
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = kind.plain.model.layers[1].register_forward_hook(hook)
    expected = [logp(kind, [*context, *ending], len(context)) for ending in endings]
    handle.remove()
    for engine in ENGINES:
        assert np.abs(score(kind.ours.model, [prompt], [plan], engine=engine).of(0) - expected).max() < BOUND


def test_scores_are_lm_evals(kind: Kind, prompts: list[Prompt]) -> None:
    """`add_bos_token` as the tokenizer has it; items where a token joins prompt and option are set aside.

    The harness has no rule for an EOS behind a text: it is compared without it, and ours is its score and the EOS's.
    """
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    front, behind = AROUND[kind.name]
    if front and behind:
        pytest.skip("lm-eval adds both or none")
    theirs = HFLM(
        kind.plain, tokenizer=kind.tokenizer, backend="causal", device="cpu", batch_size=8, add_bos_token=bool(front)
    )
    scores, compared, refused, largest, apart = score(kind.ours.model, prompts), 0, 0, 0.0, 0.0
    for number, prompt in enumerate(prompts):
        asked = [
            Instance("loglikelihood", {}, (prompt.text, ending), i) for i, ending in enumerate(prompt.continuations)
        ]
        joins = plain_scores(kind, prompt)[1]
        try:
            found = np.array([logp for logp, _ in theirs.loglikelihood(asked, disable_tqdm=True)])
        except AssertionError:  # an option that is joined whole leaves the harness nothing to score
            assert joins
            refused += 1
            continue
        if behind:
            wholes = [kind.tokenizer(prompt.text + ending)["input_ids"] for ending in prompt.continuations]
            found += [logp(kind, ids, len(ids) - 1) for ids in wholes]
        difference = float(np.abs(found - scores.of(number)).max())
        if joins:
            apart = max(apart, difference)
            continue
        compared += 1
        largest = max(largest, difference)
        assert difference < BOUND, prompt
        assert found.argmax() == scores.of(number).argmax()
    print(
        f"{kind.name}: {compared} items compared, largest difference {largest:.1e}; with a joining token "
        f"{len(prompts) - compared}: the harness fails on {refused}, differs by up to {apart:.2f} on the others"
    )
    assert compared >= (0 if kind.name == "joining" else len(prompts) // 2)
    assert apart > BOUND or kind.name != "joining"


def test_residuals_are_the_last_text_tokens(kind: Kind, prompts: list[Prompt]) -> None:
    """The token that scoring steers and a text goes on behind: what a tokenizer puts behind a text is not read."""
    texts = [prompt.text for prompt in prompts[:6]]
    behind = 1 if AROUND[kind.name][1] else 0
    found = read_residuals(kind.ours.model, texts)
    with torch.inference_mode():
        for i, text in enumerate(texts):
            hidden = kind.plain(torch.tensor([kind.tokenizer(text)["input_ids"]]), output_hidden_states=True)
            expected = torch.stack([h[0, -1 - behind] for h in hidden.hidden_states[:-1]])
            assert torch.allclose(found[:-1, i], expected, atol=1e-4)


def test_a_text_goes_on_behind_its_last_token(kind: Kind, prompts: list[Prompt]) -> None:
    texts = [prompt.text for prompt in prompts[:4]]
    behind = 1 if AROUND[kind.name][1] else 0
    [said] = generate(kind.ours.model, texts, max_new_tokens=5, stop=None)
    for text, ours in zip(texts, said, strict=True):
        ids = kind.tokenizer(text)["input_ids"]
        given = torch.tensor([ids[: len(ids) - behind]])
        with torch.inference_mode():
            expected = kind.plain.generate(
                given, attention_mask=torch.ones_like(given), max_new_tokens=5, do_sample=False,
                eos_token_id=kind.tokenizer.eos_token_id,
            )[0, given.shape[1] :]  # fmt: skip
        assert list(ours.tokens) == expected.tolist()


def test_attribution_reads_the_first_tokens_behind_what_options_share(kind: Kind) -> None:
    tasks = universal_tasks(atlas.universal(), "en", "test", everything)[:6]
    found = contrasts(kind.ours.model, tasks, "right", "wrong")
    asked = {task.prompt.item: task for task in tasks}
    for item, context, better in zip(found.items, found.prompts, found.better, strict=True):
        task = asked[item]
        right = task.prompt.continuations[[mark.role for mark in task.marks].index("right")]
        whole = kind.tokenizer(task.prompt.text + right)["input_ids"]
        assert list(context) == whole[: len(context)]
        assert whole[len(context)] == better


def test_training_sees_the_tokens_that_scoring_sees(kind: Kind, prompts: list[Prompt]) -> None:
    encoder = Encoder(kind.tokenizer, 200, Template())
    pairs = [(prompt.text, prompt.continuations[0]) for prompt in prompts[:6]]
    batch = encoder.answered(pairs)
    for row, (text, answer) in enumerate(pairs):
        ids = kind.tokenizer(text + answer)["input_ids"]
        end = [] if ids[-1] == kind.tokenizer.eos_token_id else [kind.tokenizer.eos_token_id]
        assert batch.tokens[row][batch.real[row]].tolist() == ids + end
        context, _ = Tokens(kind.ours.model).split(text, [answer])
        assert batch.last[row] == len(context) - 1


def test_the_neutral_prompts_options_begin_where_the_tasks_do(kind: Kind) -> None:
    """pmi: an item's log-likelihood minus that of the same options behind the word for "Answer:" alone."""
    tasks = universal_tasks(atlas.universal(), "en", "test", everything)[:5]
    study: Any = SimpleNamespace(
        config=RunConfig(normalisation="pmi"), loaded=kind.ours, tokens=Tokens(kind.ours.model), template=Template(),
        examples=lambda code: "", passes={},
    )  # fmt: skip
    scores = score_tasks(study, tasks, [Plan()])
    by_pmi = scores.normalised("pmi")[0]
    for number, task in enumerate(tasks):
        asked, _ = plain_scores(kind, task.prompt)
        neutral, _ = plain_scores(kind, Prompt("n", "en", "Answer:", task.prompt.continuations))
        assert (
            np.abs(np.array(asked) - neutral - by_pmi[scores.starts[number] : scores.starts[number + 1]]).max() < BOUND
        )
