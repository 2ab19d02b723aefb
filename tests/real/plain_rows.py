"""Plain Transformers, nothing of translocal: log-likelihoods unsteered and under EN and LOC of a run's folder.

`python plain_rows.py RUN GGUF ITEMS.jsonl LANGUAGE` prints JSON; ITEMS are what `interp data export` writes.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def shared(sequences: list[list[int]]) -> int:
    """How many first tokens are the same in all sequences."""
    differ = (place for place, ids in enumerate(zip(*sequences, strict=False)) if len(set(ids)) > 1)
    return next(differ, min(map(len, sequences)))


def added(vector: torch.Tensor, start: list[int], module: Any, args: Any, output: Any) -> None:
    """A forward hook of a block: the vector is added from position start[0] on, in place."""
    stream = output[0] if isinstance(output, tuple) else output
    stream[:, start[0] :] += vector


def item_logp(model: Any, tokenizer: Any, item: dict[str, Any], start: list[int]) -> list[float]:
    """log p of each option behind the tokens that the prompt shares with all options, one plain forward per option."""
    texts = [item["prompt"], *(item["prompt"] + item["separator"] + choice for choice in item["choices"])]
    prompt, *wholes = (tokenizer(text).input_ids for text in texts)
    context = shared([prompt, *wholes])
    start[0] = context - 1
    reads = [(ids, model(torch.tensor([ids])).logits[0].log_softmax(-1)) for ids in wholes]
    return [sum(float(read[i - 1, ids[i]]) for i in range(context, len(ids))) for ids, read in reads]


@torch.inference_mode()
def main(run: Path, gguf: Path, items: Path, language: str) -> dict[str, list[list[float]]]:
    """Method -> per item its options' log-likelihoods."""
    place = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer, found, start = AutoTokenizer.from_pretrained(**place), {}, [0]
    model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32, attn_implementation="eager").eval()
    plans = json.loads((run / "plan.json").read_text("utf-8"))["methods"]
    rows = [json.loads(line) for line in items.read_text("utf-8").split("\n") if line]
    for method in ("base", "en", "loc"):
        hooks = []
        for steer in plans[method][language]["steers"] if method != "base" else []:
            assert (steer["operator"], steer["positions"]) == ("add", "last")
            vector = load_file(run / steer["vectors"])["vectors"][steer["layer"]] * steer["strength"]
            hooks.append(model.model.layers[steer["layer"]].register_forward_hook(partial(added, vector, start)))
        found[method] = [item_logp(model, tokenizer, row, start) for row in rows]
        for hook in hooks:
            hook.remove()
    return found


if __name__ == "__main__":
    print(json.dumps(main(*map(Path, sys.argv[1:4]), sys.argv[4])))
