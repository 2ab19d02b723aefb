"""Exports, read by the other side's own readers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from interp.cli import app
from interp.data import Prompt, Task, cultural_tasks, everything, universal_tasks
from interp.errors import ConfigError, ModelError, OutputError
from interp.export import (
    VLLM_FORM,
    additions,
    bake,
    check_repository,
    chosen_positions,
    difference,
    hook_names,
    model_card,
    upload,
    write_gguf,
    write_harness,
    write_vllm_lens,
)
from interp.export._everywhere import QUESTIONS, changed_choices
from interp.model import LoadedModel
from interp.model.load import load_model, organism_folder
from interp.model.read import Template, Tokens
from interp.steering import Plan, Steer, SteeringVectors, load_plans, read_vectors, write_plans
from interp.steering.engine import score
from tests.conftest import write_tiny

WIDTH, LAYERS = 128, 8


def vectors(name: str, seed: int, width: int = WIDTH, layers: int = LAYERS) -> SteeringVectors:
    values = torch.randn(layers, width, generator=torch.Generator().manual_seed(seed))
    return SteeringVectors(name, values, {"processing": "none"})


def two_steers(width: int = WIDTH, layers: int = LAYERS) -> Plan:
    first, second = (vectors("v", seed, width, layers) for seed in (0, 1))
    return first.plan(1, 0.5) + second.plan(layers - 1, 0.25) + second.plan(1, 0.125)


@pytest.fixture
def plans(tmp_path: Path, organism: LoadedModel) -> Path:
    folder = tmp_path / "run"
    (folder / "vectors").mkdir(parents=True)
    steers = []
    for name, seed, layer, strength in (("en", 0, 4, 0.5), ("loc", 1, 2, 1.5)):
        vectors(name, seed).save(folder / "vectors" / f"{name}.ko.safetensors")
        steers.append(
            {"vectors": f"vectors/{name}.ko.safetensors", "layer": layer, "strength": strength, "operator": "add",
             "positions": "text"}
        )  # fmt: skip
    methods = {
        "surgical": {"ko": {"steers": steers}, "el": {"steers": steers[:1]}},
        "last": {"ko": {"steers": [steers[0] | {"positions": "last"}]}},
        "everywhere": {"ko": {"steers": [steer | {"positions": "all"} for steer in steers]}},
    }
    model = {"name": "organism", "fingerprint": organism.fingerprint, "processing": "none"}
    write_plans(folder / "plan.json", model=model, template="none", methods=methods)
    return folder


def interp(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *(str(argument) for argument in arguments)])


def test_steers_at_one_layer_add_up() -> None:
    found = additions(two_steers(), "a form")
    first, second = vectors("v", 0).vectors, vectors("v", 1).vectors
    assert list(found) == [1, 7]
    torch.testing.assert_close(found[1], 0.5 * first[1] + 0.125 * second[1])
    torch.testing.assert_close(found[7], 0.25 * second[7])


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan((Steer(1, torch.ones(4), 1.0, "rotate"),)), "operator 'rotate' at layer 1"),
        (Plan((Steer(1, torch.ones(4), 1.0, "add", "last"),)), "positions 'last' at layer 1"),
        (Plan((Steer(1, torch.ones(4), processing="fold_ln"),)), "processing 'fold_ln'"),
        (Plan((Steer(0, torch.ones(4)),)), "a vector after block 0; allowed: layers from 1"),
        (Plan(), "a plan that adds no vector"),
    ],
)
def test_what_can_not_be_expressed_is_refused_with_the_reason(plan: Plan, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        additions(plan, "a form", first=1)
    assert "--to plan" in str(error.value)


def test_gguf_is_read_back_by_gguf_and_by_us(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    added = additions(two_steers(), "gguf", first=1)
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / name, added, "llama")
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()
    reader = gguf.GGUFReader(tmp_path / "a.gguf")
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    assert reader.get_field("controlvector.layer_count").contents() == 2
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert set(found) == {"direction.1", "direction.7"}
    for layer, vector in added.items():
        assert found[f"direction.{layer}"].tensor_type.name == "F32"
        np.testing.assert_array_equal(found[f"direction.{layer}"].data, vector.numpy())
    back = read_vectors(tmp_path / "a.gguf")
    assert back.layers == (1, 7)
    assert back.vectors[7].equal(added[7])
    with pytest.raises(ValueError, match=r"no direction\.0"):
        write_gguf(tmp_path / "c.gguf", {0: torch.ones(4)}, "llama")


def test_the_harness_steers_as_we_do(tmp_path: Path, organism: LoadedModel) -> None:
    harness = pytest.importorskip("lm_eval.models.hf_steered")
    from lm_eval.api.instance import Instance
    from transformers import AutoConfig

    plan = two_steers().scaled(8.0)
    names = hook_names(AutoConfig.from_pretrained(organism_folder()))
    assert names[3] == "layers.3"
    for name in ("a.pt", "b.pt"):
        write_harness(tmp_path / name, additions(plan, "harness"), names)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    prompts = [
        Prompt("1", "es", "¿Cuál es la capital de Francia? Respuesta:", (" París", " Roma")),
        Prompt("2", "ko", "프랑스의 수도는 어디입니까? 답:", (" 파리", " 로마", " 서울")),
    ]
    ours = score(organism.model, prompts, [Plan(), plan.at("all")])
    model = harness.SteeredModel(
        pretrained=str(organism_folder()), steer_path=str(tmp_path / "a.pt"), device="cpu", dtype="float32",
        attn_implementation="eager", batch_size=2,
    )  # fmt: skip
    requests = [
        Instance("loglikelihood", {}, (prompt.text, option), number)
        for number, (prompt, option) in enumerate((p, o) for p in prompts for o in p.continuations)
    ]
    theirs = [value for value, _ in model.loglikelihood(requests)]
    np.testing.assert_allclose(theirs, ours.logp[1], atol=1e-3, rtol=0)
    assert np.abs(ours.logp[1] - ours.logp[0]).min() > 10 * 1e-3


WITH_BIASES = ("gpt2", "gpt_neox", "bloom", "phi", "llama")


@pytest.mark.parametrize("architecture", WITH_BIASES)
def test_plain_transformers_reads_the_baked_checkpoint(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    place = write_tiny(architecture, tmp_path / "model")
    loaded = load_model(str(place), device="cpu", dtype="float32")
    plan = two_steers(32, 3)
    done = bake(loaded, str(place), plan, tmp_path / "baked")
    assert done.difference <= 1e-4
    assert list(done.biases) == [1, 2]
    plain, info = AutoModelForCausalLM.from_pretrained(done.folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    tokens = torch.arange(3, 40)[None]
    with torch.inference_mode():
        steered = loaded.model.run_with_hooks(tokens, return_type="logits", fwd_hooks=plan.at("all").hooks())
        apart = loaded.model.run_with_hooks(tokens, return_type="logits") - steered
        torch.testing.assert_close(plain(tokens).logits, steered, atol=1e-4, rtol=0)
    assert apart.abs().max() > 0.1
    again = bake(loaded, str(place), plan, tmp_path / "again")
    assert (again.folder / "model.safetensors").read_bytes() == (done.folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("architecture", ["qwen2", "gemma2", "gemma3_images"])
def test_architectures_without_biases_are_refused(architecture: str, tmp_path: Path) -> None:
    place = write_tiny(architecture, tmp_path / "model")
    loaded = load_model(str(place), device="cpu", dtype="float32")
    with pytest.raises(ModelError, match=r"no bias in the last matrix of its blocks \(mlp\.down_proj\)"):
        bake(loaded, str(place), two_steers(32, 3), tmp_path / "baked")
    assert not list(tmp_path.glob("*baked*"))


def test_of_text_and_images_the_text_decoder_is_named(tmp_path: Path) -> None:
    """Also where the vision tower has as many blocks, and larger ones; a hook there does what ours does."""
    from transformers import AutoConfig, AutoModelForCausalLM

    place = write_tiny("gemma3_images", tmp_path / "model")
    config = AutoConfig.from_pretrained(place)
    config.vision_config.num_hidden_layers, config.vision_config.intermediate_size = 3, 4096
    assert hook_names(config) == [f"language_model.layers.{layer}" for layer in range(3)]
    plan = two_steers(32, 3)
    added, loaded = additions(plan, "harness"), load_model(str(place), device="cpu")
    plain = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, attn_implementation="eager").eval()
    names = hook_names(AutoConfig.from_pretrained(place))
    for layer, vector in added.items():
        block = plain.base_model.get_submodule(names[layer])
        block.register_forward_hook(
            lambda module, args, output, vector=vector: (
                (output[0] + vector, *output[1:]) if isinstance(output, tuple) else output + vector
            )
        )
    tokens = torch.arange(3, 40)[None]
    with torch.inference_mode():
        steered = loaded.model.run_with_hooks(tokens, return_type="logits", fwd_hooks=plan.at("all").hooks())
        assert (steered - loaded.model(tokens, return_type="logits")).abs().max() > 0.1
        torch.testing.assert_close(plain(tokens).logits, steered, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("to", "name"), [("gguf", "a.gguf"), ("lm-eval", "a.pt"), ("vllm-lens", "a.json"), ("checkpoint", "baked")]
)
def test_plans_of_a_model_of_text_and_images_by_the_command(to: str, name: str, tmp_path: Path) -> None:
    """A file, or one line that says why not; never a traceback."""
    place = write_tiny("gemma3_images", tmp_path / "model")
    fingerprint = load_model(str(place), device="cpu").fingerprint
    (tmp_path / "run" / "vectors").mkdir(parents=True)
    vectors("en", 0, 32, 3).save(tmp_path / "run" / "vectors" / "en.safetensors")
    steer = {"vectors": "vectors/en.safetensors", "layer": 1, "strength": 1.0, "operator": "add", "positions": "all"}
    model = {"name": "model", "fingerprint": fingerprint, "processing": "none"}
    write_plans(
        tmp_path / "run" / "plan.json", model=model, template="none", methods={"en": {"es": {"steers": [steer]}}}
    )
    done = interp(
        tmp_path / "run", "--to", to, "--method", "en", "--language", "es", "--model", place, "--out", tmp_path / name
    )
    if to == "checkpoint":
        assert done.exit_code == 1
        assert "no bias in the last matrix of its blocks" in str(done.exception)
        return
    assert done.exit_code == 0, done.output
    if to == "gguf":
        gguf = pytest.importorskip("gguf")
        fields = gguf.GGUFReader(tmp_path / name).fields
        assert bytes(fields["controlvector.model_hint"].parts[-1]).decode() == "gemma3_text"


def test_a_wrong_bake_is_found_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_tiny("gpt2", tmp_path / "model")
    loaded = load_model(str(place), device="cpu", dtype="float32")
    monkeypatch.setattr("interp.export._checkpoint.last_matrix", lambda block, _: ("attn.c_proj", block.attn.c_proj))
    with pytest.raises(ModelError, match="differs by"):
        bake(loaded, str(place), two_steers(32, 3), tmp_path / "baked")
    assert not list(tmp_path.glob("*baked*"))


def test_the_organism_is_baked_by_the_command(plans: Path, tmp_path: Path) -> None:
    done = interp(plans, "--to", "checkpoint", "--language", "ko", "--out", tmp_path / "baked")
    assert done.exit_code == 0, done.output
    assert SAID in done.output
    told = json.loads((tmp_path / "baked" / "translocal.json").read_text())
    assert (told["positions"], told["chosen"], told["language"]) == ("all", ["text"], "ko")
    assert SAID in (tmp_path / "baked" / "README.md").read_text()
    assert "model.layers.2.mlp.down_proj.bias" in done.output
    config = json.loads((tmp_path / "baked" / "config.json").read_text())
    assert config["mlp_bias"] is True
    assert (tmp_path / "baked" / "exposure.csv").is_file()


SAID = "This export steers every token, BOS too, but the plan was chosen at positions text."


def by_hand(model: Any, plan: Plan, tasks: list[Task]) -> tuple[float, float, float]:
    """Mean and largest difference of a log-likelihood, and changed choices, by a forward per option and plan."""
    encode, apart, changed = Tokens(model), [], 0
    for task in tasks:
        scores: dict[str, list[float]] = {"text": [], "all": []}
        for ending in task.prompt.continuations:
            before, (after,) = encode.split(task.prompt.text, [ending])
            ids = torch.tensor([[*before, *after]])
            for positions, values in scores.items():
                start = 1 if positions == "text" else 0  # one BOS stands in front

                def add(stream: torch.Tensor, hook: Any, start: int = start) -> torch.Tensor:
                    layer = int(hook.name.split(".")[1])
                    moved = stream.clone()
                    for steer in plan.steers:
                        if steer.layer == layer:
                            moved[:, start:] += steer.strength * steer.vector
                    return moved

                hooks = [(f"blocks.{layer}.hook_resid_post", add) for layer in {s.layer for s in plan.steers}]
                with torch.inference_mode():
                    logits = model.run_with_hooks(ids, return_type="logits", fwd_hooks=hooks)
                logp = logits[0, len(before) - 1 : -1].log_softmax(-1)
                values.append(float(logp[torch.arange(len(after)), list(after)].sum()))
        apart += [abs(a - b) for a, b in zip(*scores.values(), strict=True)]
        sizes = [len(ending.strip().encode()) for ending in task.prompt.continuations]
        picks = [int(np.argmax(np.array(values) / sizes)) for values in scores.values()]
        changed += picks[0] != picks[1]
    return float(np.mean(apart)), max(apart), changed / len(tasks)


def test_what_steering_bos_too_changes_is_measured(plans: Path, organism: LoadedModel) -> None:
    from interp.data import atlas

    plan = load_plans(plans).plan("ko")
    found = difference(organism, plan, "ko", Template())
    tasks = [
        *universal_tasks(atlas.universal(), "ko", "dev", everything)[:QUESTIONS],
        *cultural_tasks(atlas.cultural(), "ko", "KR", "dev", everything)[:QUESTIONS],
    ]
    assert (found.chosen, found.language, found.questions) == (("text",), "ko", len(tasks))
    assert found.options == sum(len(task.prompt.continuations) for task in tasks)
    mean, largest, changed = by_hand(organism.model, plan, tasks)
    assert found.mean == pytest.approx(mean, abs=1e-4)
    assert found.largest == pytest.approx(largest, abs=1e-3)
    assert found.changed == pytest.approx(changed, abs=1e-9)
    assert found.mean > 1e-3
    nothing = difference(organism, plan.at("all"), "ko", Template())
    assert (nothing.mean, nothing.largest, nothing.changed) == (0.0, 0.0, 0.0)
    assert chosen_positions(plan.at("all")) == ()
    assert difference(organism, plan, "sw", Template()).language == "en"


def test_a_tie_that_is_broken_is_another_choice_wherever_the_winner_stands() -> None:
    starts = np.array([0, 2, 4, 7])
    before = np.array([-1.0, -1.0, -1.0, -1.0, -3.0, -2.0, -2.0])
    after = np.array([-0.5, -1.0, -1.0, -0.5, -3.0, -1.0, -1.0])
    assert changed_choices(before, after, starts) == pytest.approx(2 / 3)
    assert changed_choices(before, before, starts) == 0.0


def test_a_text_plan_is_exported_with_the_size_of_the_difference(plans: Path, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    done = interp(plans, "--to", "gguf", "--language", "ko", "--out", tmp_path / "a.gguf")
    assert done.exit_code == 0, done.exception
    assert SAID in done.output
    told = json.loads(gguf.GGUFReader(tmp_path / "a.gguf").get_field("translocal.positions").contents())
    assert (told["positions"], told["chosen"], told["language"], told["questions"]) == ("all", ["text"], "ko", 64)
    assert f"{told['mean']:.2g} on average and {told['largest']:.2g} at most" in done.output
    done = interp(plans, "--to", "lm-eval", "--language", "ko", "--out", tmp_path / "a.pt")
    assert json.loads((tmp_path / "a.pt.json").read_text()) == told
    done = interp(plans, "--to", "lm-eval", "--language", "ko", "--no-measure", "--out", tmp_path / "b.pt")
    assert "The difference was not measured" in done.output
    assert json.loads((tmp_path / "b.pt.json").read_text()) == {"positions": "all", "chosen": ["text"]}
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    done = interp(plans, "--to", "vllm-lens", "--language", "ko", "--out", tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["translocal"] == told
    for to, name in (("gguf", "c.gguf"), ("lm-eval", "c.pt"), ("vllm-lens", "c.json")):
        done = interp(plans, "--to", to, "--method", "everywhere", "--language", "ko", "--out", tmp_path / name)
        assert done.output.strip() == str(tmp_path / name)
    assert gguf.GGUFReader(tmp_path / "c.gguf").get_field("translocal.positions") is None
    assert not (tmp_path / "c.pt.json").exists()
    assert "translocal" not in json.loads((tmp_path / "c.json").read_text())
    assert (tmp_path / "c.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


def test_vllm_lens_reads_the_vectors_by_its_published_schema(tmp_path: Path) -> None:
    added = additions(two_steers(32, 3), VLLM_FORM)
    write_vllm_lens(tmp_path / "a.json", added, {})
    read = json.loads((tmp_path / "a.json").read_text())
    assert (read["layer_indices"], read["scale"], read["norm_match"]) == (list(added), 1.0, False)
    told = read["activations"]
    raw = np.frombuffer(base64.b64decode(told["data"]), told["dtype"]).reshape(told["shape"])
    np.testing.assert_array_equal(raw, torch.stack(list(added.values())).numpy())


def test_a_folder_of_plans_stands_alone(plans: Path, tmp_path: Path) -> None:
    out = tmp_path / "alone"
    assert interp(plans, "--out", out, "--method", "surgical", "--language", "ko").exit_code == 0
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == {
        "plan.json", "vectors/en.ko.safetensors", "vectors/loc.ko.safetensors",
    }  # fmt: skip
    ours, theirs = load_plans(plans).plan("ko"), load_plans(out).plan("ko")
    assert [(s.layer, s.strength) for s in ours.steers] == [(s.layer, s.strength) for s in theirs.steers]
    assert all(a.vector.equal(b.vector) for a, b in zip(ours.steers, theirs.steers, strict=True))
    again = interp(plans, "--out", out)
    assert isinstance(again.exception, OutputError)


def test_the_card_says_what_is_known(plans: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    bare = model_card(load_plans(plans), ["surgical"], "ko")
    assert "No measurements of these plans are available" in bare
    (plans / "plane.csv").write_text(
        "method,language,transfer,transfer_lo,transfer_hi,localization,localization_lo,localization_hi,d_transfer,"
        "d_transfer_lo,d_transfer_hi,d_localization,d_localization_lo,d_localization_hi\n"
        "base,macro,0.5,0.4,0.6,0.7,0.6,0.8,0,0,0,0,0,0\nsurgical,macro,0.55,0.45,0.65,0.8,0.7,0.9,0.05,-0.01,0.1,0.1,0.02,0.2\n"
    )
    (plans / "manifest.json").write_text(
        json.dumps({"data": {"universal": {"name": "mine`| <b>", "items": 12, "fingerprint": "f00", "revision": "r1"}}})
    )
    out = tmp_path / "card"
    done = interp(plans, "--to", "hub", "--repo", "me/plans", "--dry-run", "--method", "surgical", "--out", out)
    assert done.exit_code == 0, done.output
    assert "nothing was uploaded" in done.output
    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "translocal"
    assert card.data.language == ["el", "ko"]
    assert "| `surgical` | 0.550 [0.450, 0.650] | 0.800 [0.700, 0.900] | +0.050 [-0.010, +0.100] |" in card.text
    assert "| `surgical` | `ko` | `vectors/loc.ko.safetensors` | 2 | 1.5 | add | text |" in card.text
    assert "llama.cpp, lm-evaluation-harness and baked checkpoints only have `all`" in card.text
    assert "`mine'/ <b>`, revision `r1`, 12 items, fingerprint `f00`" in card.text


def test_upload_creates_the_repository_and_sends_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, name: str, **more: Any) -> str:
            calls.append((name, more))
            return f"there/{name}"

        def upload_folder(self, **more: Any) -> None:
            calls.append(("upload", more))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
    assert upload(tmp_path, "me/plans", private=True) == "there/me/plans"
    assert calls[0] == ("me/plans", {"repo_type": "model", "private": True, "exist_ok": True})
    assert calls[1][1]["folder_path"] == str(tmp_path)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(OutputError, match="no Hub token was found"):
        upload(tmp_path, "me/plans")
    for wrong in (None, "plans", "a/b/c", "../x", "me/"):
        with pytest.raises(ConfigError, match="allowed: user/name"):
            check_repository(wrong)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--to", "onnx", "--out", "x"),
            "form 'onnx' is unknown; allowed: plan, gguf, lm-eval, vllm-lens, checkpoint, hub",
        ),
        (("--to", "gguf", "--out", "x.gguf"), "--to gguf holds one plan; allowed: el, ko"),
        (("--to", "gguf", "--out", "x", "--language", "ko"), "x does not end in .gguf; to do: pass --out x.gguf"),
        (
            (
                "--to",
                "gguf",
            ),
            "no output path is given",
        ),
        (("--to", "lm-eval", "--method", "last", "--language", "ko", "--out", "x.pt"), "positions 'last' at layer 4"),
        (("--to", "hub", "--out", "x"), "no repository is given"),
        (("--language", "xx", "--method", "surgical", "--out", "x"), "no plan for language 'xx'"),
        (("--dtype", "int8", "--out", "x"), "dtype 'int8' is unknown"),
    ],
)
def test_a_mistake_is_told(
    plans: Path, arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = interp(plans, *arguments)
    assert said in str(done.exception)
    assert not list(tmp_path.glob("x*"))
