"""Write what `TransformerBridge` gives into a folder: `python -m tests.hooked.reference FOLDER`."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file

from interp.model.load import load_model, organism_folder
from interp.model.read import read_residuals
from interp.progress import Bars
from interp.steering import SteeringVectors, difference
from interp.steering.engine import score
from interp.study.run import run
from tests.conftest import tiny_config
from tests.hooked.cases import KINDS, NUMBERS, RUN, VECTORS, place, plans, prompts, run_config, texts


def write_checkpoint(kind: str, folder: Path) -> None:
    """The organism's files, or a random model's: every norm and bias is drawn too, so that folding them matters."""
    if kind == "organism":
        shutil.copytree(organism_folder(), folder)
        return
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = tiny_config(kind, len(AutoTokenizer.from_pretrained(organism_folder())))
    if kind == "gpt2":
        config.n_ctx = config.n_positions  # a name that HookedTransformer's converter reads
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(organism_folder() / name, folder / name)


def write(kind: str, folder: Path) -> None:
    """Residuals, vectors fitted on them and log-likelihoods of one model."""
    write_checkpoint(kind, folder)
    model = load_model(str(folder), device="cpu").model
    asked = texts()
    last = read_residuals(model, asked)
    vectors = SteeringVectors("en:es", difference(last[:, 0::4], last[:, 1::4]))
    vectors.save(folder / VECTORS)
    logp = score(model, prompts(), plans(vectors), engine="reference").logp
    numbers = {"last": last, "mean": read_residuals(model, asked, position="mean"), "logp": torch.from_numpy(logp)}
    save_file(numbers, folder / NUMBERS)


def main(folder: Path) -> None:
    """Everything that the leg compares with."""
    print(f"reference: transformer-lens {version('transformer-lens')}, torch {version('torch')}")
    for kind in KINDS:
        write(kind, place(folder, kind))
    run(run_config(folder / RUN), Bars(quiet=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
