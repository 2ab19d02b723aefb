"""From settings to a study: model and data loaded and checked, cheap checks first."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

from interp.errors import Notice
from interp.model import HookedModel, LoadedModel, device_of, dtype_of
from interp.model.load import load_model
from interp.steering.engine import replay_of
from interp.study.ask._checks import check_enough, notice_vocabulary
from interp.study.ask._resolve import Inputs, resolve
from interp.study.ask._study import Study
from interp.study.config import LEAST_LIMIT, RunConfig


def with_model(config: RunConfig, model: HookedModel | LoadedModel | None) -> tuple[RunConfig, LoadedModel | None]:
    """The settings, updated with name, device and dtype of a model object, and the loaded model."""
    if model is None:
        return config, None
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    device, dtype = str(device_of(loaded.model)), str(dtype_of(loaded.model)).removeprefix("torch.")
    return replace(config, model=loaded.name, device=device, dtype=dtype), loaded


def prepare(config: RunConfig, loaded: LoadedModel | None = None, inputs: Inputs | None = None) -> Study:
    """Load and check everything that a run needs, cheap checks first.

    loaded: used instead of the model in `config`. inputs: an earlier result of `resolve`. Raises a TranslocalError for
    an unknown dataset, language, model, device or dtype, and DataError if a language has too few items to score.
    """
    inputs = inputs or resolve(config, loaded=loaded)
    study = open_study(config, loaded or load_configured(config), inputs)
    check_items(study, inputs)
    return study


def load_configured(config: RunConfig) -> LoadedModel:
    """The model that the settings name."""
    return load_model(
        config.model, device=config.device, dtype=config.dtype, n_devices=config.n_devices,
        quantization=config.quantization or None, adapter=config.adapter or None, revision=config.revision or None,
    )  # fmt: skip


def open_study(config: RunConfig, loaded: LoadedModel, inputs: Inputs) -> Study:
    """The study of a loaded model and data, with the model checked for replay. Items are not counted yet."""
    if config.engine == "replay":
        replay_of(loaded.model)
    return Study.of(config, loaded, inputs)


def check_items(study: Study, inputs: Inputs) -> None:
    """Give notices on missing controls and vocabulary. Raises DataError if a language has too few items."""
    for text in _missing(study):
        warnings.warn(text, Notice, stacklevel=2)
    notice_vocabulary(study)
    check_enough(inputs, study.counts, ("dev", "test"), study.tokens, least=LEAST_LIMIT)


def _missing(study: Study) -> Iterator[str]:
    """Which controls the datasets don't allow, in words."""
    if not study.nonfactual:
        lacking = [code for code in ("en", *study.languages) if code not in study.parallel.languages]
        yield (
            f"the non-factual control is left out: parallel text {study.parallel.name!r} lacks "
            f"{', '.join(lacking) or 'sentences of the fit split'}; pass --parallel, see `interp data list`"
        )
    if any(study.third_language(code) is None for code in study.languages):
        yield "the third-language control is left out: the datasets share only one language besides English"
    if any(study.wrong_culture(code) is None for code in study.languages):
        yield "the wrong-culture control is left out: the dataset has only the own and the reference culture"
    if not study.target_language:
        lacking = [code for code in study.languages if not study.shared_places(code, "fit")[0]]
        yield (
            "loc_language is left out: no cultural question in the fit split is asked both in English and in "
            f"{', '.join(lacking)}"
        )
    elif not study.wrong_language:
        yield "the wrong-language control is left out: no third language shares cultural questions with English"
