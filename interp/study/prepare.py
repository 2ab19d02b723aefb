"""What a run stands on: the model, the datasets, the prompts of every split, the clusters that intervals resample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from interp.data import atlas
from interp.data.items import CulturalSet, Split, UniversalSet
from interp.data.prompts import question_text
from interp.data.tasks import Axis, Cue, Task, cue_sentence, cultural_tasks, universal_tasks
from interp.errors import DataError
from interp.model.batching import Tokens
from interp.model.loading import LoadedModel, load_model
from interp.model.protocol import HookedModel, device_of, dtype_of
from interp.model.residuals import Residuals, read_residuals
from interp.plane import Resampling
from interp.steering.engine import replay_of
from interp.study.config import RunConfig
from interp.study.resolve import resolve, resolve_data


@dataclass(frozen=True)
class Study:
    """A run's model and data, read once."""

    config: RunConfig
    loaded: LoadedModel
    universal: UniversalSet
    cultural: CulturalSet
    languages: tuple[str, ...]

    @property
    def n_layers(self) -> int:
        """Number of the model's blocks."""
        return int(self.loaded.model.cfg.n_layers)

    def counts(self, axis: Axis, item: str, language: str) -> bool:
        """Whether an item is scored in a language: not where the model's corpus is known to have shown it."""
        exposure = self.loaded.exposure
        return exposure is None or not exposure(axis, item, language)

    def culture(self, language: str) -> str:
        """The language's own culture."""
        return self.cultural.own_culture[language]

    def next_language(self, language: str) -> str:
        """Another language of the dataset, the same in every run: it lends third-language and wrong-culture vectors."""
        others = [code for code in self.universal.languages if code in self.cultural.own_culture]
        return others[(others.index(language) + 1) % len(others)]

    def wrong_culture(self, language: str) -> str:
        """The next language's culture."""
        return self.culture(self.next_language(language))

    def universal_tasks(self, language: str, split: Split, *, full: bool = False) -> list[Task]:
        """Universal prompts of a split that count in a language."""
        return universal_tasks(self.universal, language, split, self.counts, full=full)

    def cultural_tasks(self, language: str, split: Split, cue: Cue = "none", *, full: bool = False) -> list[Task]:
        """Cultural prompts of a split that count in a language, scored for its own culture."""
        return cultural_tasks(self.cultural, language, self.culture(language), split, self.counts, cue, full=full)

    @cached_property
    def tokens(self) -> Tokens:
        """Encoded texts, each encoded once in a run."""
        return Tokens(self.loaded.model)

    @cached_property
    def resampling(self) -> Resampling:
        """Draws over the clusters of the whole test split, whatever the languages scored."""
        return Resampling.over(
            [item.cluster for item in self.universal.items if item.split == "test"],
            [item.topic for item in self.cultural.items if item.split == "test"],
            self.config.bootstrap_draws,
            self.config.seed,
        )

    def read(self, texts: Sequence[str]) -> Residuals:
        """Residuals at each text's last token."""
        return read_residuals(
            self.loaded.model, texts, memory=self.config.memory, batch_size=self.config.batch_size, tokens=self.tokens
        )

    def universal_residuals(self, language: str, split: Split) -> Residuals:
        """Residuals of all universal items of a split, asked in a language."""
        items = [item for item in self.universal.items if item.split == split]
        return self.read([question_text(item.question(language), language) for item in items])

    def cultural_residuals(
        self, language: str, split: Split, cue: Cue = "none", culture: str = "", limit: int | None = None
    ) -> Residuals:
        """Residuals of the cultural items of a split (of the first `limit`), asked in a language behind a cue."""
        items = [(number, item) for number, item in enumerate(self.cultural.items) if item.split == split]
        return self.read(
            [
                question_text(
                    item.questions[language], language, cue_sentence(self.cultural, language, culture, cue, number)
                )
                for number, item in items[:limit]
            ]
        )

    def nonfactual_residuals(self, language: str) -> Residuals:
        """Residuals of Atlas' everyday sentences (fit split), read as they stand."""
        pairs = zip(atlas.chatter().sentences, atlas.chatter_splits(), strict=True)
        return self.read([sentence[language] for sentence, split in pairs if split == "fit"])


def with_model(config: RunConfig, model: HookedModel | LoadedModel | None) -> tuple[RunConfig, LoadedModel | None]:
    """The settings with the name, device and dtype of a model that is given as an object, and the model."""
    if model is None:
        return config, None
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    device, dtype = str(device_of(loaded.model)), str(dtype_of(loaded.model)).removeprefix("torch.")
    return replace(config, model=loaded.name, device=device, dtype=dtype), loaded


def prepare(config: RunConfig, loaded: LoadedModel | None = None) -> Study:
    """Load and check everything that a run needs; cheap checks come first.

    loaded: in place of the model that `config` names. Raises a TranslocalError for an unknown dataset, language, model,
    device or dtype, and DataError where a language has too few items left to score.
    """
    inputs = resolve(config) if loaded is None else resolve_data(config)
    if loaded is None:
        loaded = load_model(config.model, device=config.device, dtype=config.dtype)
    if config.engine == "replay":
        replay_of(loaded.model)
    study = Study(config, loaded, inputs.universal, inputs.cultural, inputs.languages)
    for code in study.languages:
        for split in ("dev", "test"):
            for axis, tasks in (
                ("universal", study.universal_tasks(code, split)),
                ("cultural", study.cultural_tasks(code, split)),
            ):
                if len({task.cluster for task in tasks}) < 2:
                    raise DataError(
                        f"language {code!r} has {len(tasks)} {axis} items to score on {split}",
                        allowed="items from at least 2 clusters",
                        remedy="raise --limit or choose other datasets",
                    )
    return study
