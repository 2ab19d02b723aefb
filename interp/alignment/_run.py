"""One training run in a folder: adapter, merged checkpoint, loss curve and manifest; a killed one goes on."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from interp.alignment._encoding import Encoder
from interp.alignment._forwards import Adapted
from interp.alignment._lora import add_lora, find_decoder
from interp.alignment._models import Base, Trainable, load_trainable
from interp.alignment._objectives import Kept, Objective, middle_layer, objective_for
from interp.alignment._pairs import TrainingData, load_training
from interp.alignment._penalty import KeptVectors, check_layer
from interp.alignment._settings import Settings, check_installed
from interp.alignment._trainer import Curve, train
from interp.alignment._watching import response_loss
from interp.alignment._writing import (
    ADAPTER,
    CURVE,
    MANIFEST,
    MERGED,
    TRAINING,
    claim,
    save_adapter,
    save_merged,
    write_curve,
)
from interp.errors import OutputError
from interp.files import folder_name, write_json
from interp.model.read import check_template, find_template
from interp.progress import Stages
from interp.steering import SteeringVectors


@dataclass(frozen=True)
class AlignResult:
    """A finished run: its folder, the adapter's, the merged checkpoint's (for `load_model`), and the manifest."""

    folder: Path
    adapter: Path
    merged: Path
    manifest: Mapping[str, Any]


def align(
    settings: Settings,
    out: Path | str,
    *,
    model: str | Path | Base = "organism",
    data: TrainingData | Sequence[str] = ("atlas",),
    keep_loc: Sequence[SteeringVectors | Path | str] = (),
    template: str = "auto",
    progress: Stages | None = None,
) -> AlignResult:
    """Train a LoRA adapter of `model` and write it, with the merged checkpoint, into the folder `out`.

    model: its name, or a `Base` that also gives device and dtype. data: names for `load_training` (all languages), or
    its result. keep_loc: steering vectors (or their files) whose projections a penalty preserves. template: `auto` (the
    model's chat template, if it has one), `none` or a Jinja file. If training was stopped or killed, the same call
    continues from the last checkpoint and gives the same result; a finished run is reused. Raises a TranslocalError for
    a mistake in a name, a setting, the data or the folder, and Stopped if the user stops the training.
    """
    check_installed()
    if not isinstance(data, TrainingData):
        data = load_training(data)
    check_template(template)
    kept = KeptVectors.of(keep_loc)
    base = model if isinstance(model, Base) else Base(str(model))
    trainable = load_trainable(base.name, base.device, base.dtype, base.revision)
    return Training(settings, trainable, data, kept, template).into(Path(out), progress)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"{folder} can't be written: {getattr(error, 'strerror', None) or error}",
            allowed="a writable folder with free space",
            remedy="free some space or pass another --out",
        ) from error


class Training:
    """A run whose settings, data and vectors are known to fit the model, which is loaded; it is trained in place.

    Raises the TranslocalError that says what does not fit.
    """

    def __init__(
        self, settings: Settings, trainable: Trainable, data: TrainingData, kept: KeptVectors, template: str
    ) -> None:
        self.trainable, self.data, self.kept, self.template = trainable, data, kept, template
        self.decoder = find_decoder(trainable.model)
        count = len(self.decoder)
        if settings.method == "midalign":
            settings = replace(settings, layer=middle_layer(count) if settings.layer is None else settings.layer)
            check_layer("layer", settings.layer or 0, count)
        vectors: Mapping[int, torch.Tensor] = {}
        if kept.vectors:
            width = int(trainable.model.config.get_text_config().hidden_size)
            vectors = kept.at(settings.keep_layers, count, width)
            settings = replace(settings, keep_layers=tuple(vectors))
        self.settings = settings
        chat = find_template(trainable.tokenizer, template)
        self.encoder = Encoder(trainable.tokenizer, trainable.longest, chat, trainable.device)
        self.objective: Objective = objective_for(settings, data, self.encoder)
        if vectors:
            self.objective = Kept(self.objective, settings, data, self.encoder, vectors)

    def asked(self) -> dict[str, Any]:
        """All that decides the result."""
        settings = {name: value for name, value in asdict(self.settings).items() if name != "save_every"}
        data = self.data
        return {
            "settings": settings,
            "model": self.trainable.described(),
            "template": self.template,
            "data": {
                "sources": dict(data.sources), "languages": list(data.languages), "units": data.counts(),
                "dev_units": len(data.dev), "fingerprint": data.fingerprint,
            },
            "keep_loc": self.kept.described(),
        }  # fmt: skip

    @property
    def name(self) -> str:
        """A folder's name that another result never has."""
        digest = hashlib.sha256(json.dumps(self.asked(), sort_keys=True).encode()).hexdigest()
        kept = "-keep" if self.kept.vectors else ""
        return f"{folder_name(self.trainable.name)}-{self.settings.method}{kept}-{self.settings.seed}-{digest[:8]}"

    def into(self, folder: Path, progress: Stages | None = None) -> AlignResult:
        """Train, and write everything into a folder, unless it is there; see `align`."""
        with _writable(folder):
            claim(folder, self.asked())
            if not (folder / MANIFEST).is_file():
                self._train(folder, progress)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return AlignResult(folder, folder / ADAPTER, folder / MERGED, manifest)

    def _train(self, folder: Path, progress: Stages | None) -> None:
        """Train, and write everything; the manifest comes last."""
        asked = self.asked()
        with torch.random.fork_rng(devices=self.trainable.gpus):
            torch.manual_seed(self.settings.seed)
            model = Adapted(add_lora(self.trainable.model, self.settings), self.decoder)
        with model.as_base():
            before = response_loss(model, self.data, self.encoder, self.settings.batch)
        stage = progress.stage(self.settings.method, self.settings.steps) if progress else nullcontext()
        with stage as advance:
            trained = train(model, self.objective, self.settings, folder / TRAINING, advance)
        after = response_loss(model, self.data, self.encoder, self.settings.batch)
        lora = _lora(model)
        write_curve(folder / CURVE, trained.curve)
        save_adapter(model.model, folder / ADAPTER)
        save_merged(model.model, self.trainable, folder / MERGED)
        manifest = {
            "status": "finished", **asked, "lora": lora, "loss": _ends(trained.curve),
            "dev_cross_entropy": {"before": before, "after": after},
            "seconds": round(trained.seconds, 1), "steps_timed": trained.steps_here,
            "threads": torch.get_num_threads(), "versions": _versions(),
        }  # fmt: skip
        write_json(folder / MANIFEST, manifest)
        shutil.rmtree(folder / TRAINING, ignore_errors=True)


def _lora(model: Adapted) -> dict[str, Any]:
    """Which modules, by their name in a block, got how many weights."""
    inside = f"{model.decoder.path}."
    names = [name.partition(inside)[2].partition(".lora_")[0].partition(".")[2] for name in model.trainable()]
    return {
        "blocks": model.decoder.path,
        "modules": list(dict.fromkeys(names)),
        "weights": sum(weight.numel() for weight in model.trainable().values()),
    }


def _ends(curve: Curve) -> dict[str, dict[str, float]]:
    """Mean of every part over the first and the last tenth of the steps that have it."""
    tenths = {}
    for name in dict.fromkeys(name for row in curve for name in row if name not in ("step", "rate", "gradient")):
        values = [row[name] for row in curve if name in row]
        some = max(1, len(values) // 10)
        tenths[name] = {"first": sum(values[:some]) / some, "last": sum(values[-some:]) / some}
    return tenths


def _versions() -> dict[str, str]:
    packages = ("translocal", "torch", "transformers", "peft")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}
