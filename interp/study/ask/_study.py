"""What a run stands on: the model, the datasets, the prompts of every split, the clusters that intervals resample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from interp.data import (
    Axis,
    Counts,
    Cue,
    CulturalItem,
    CulturalSet,
    LeftOut,
    ParallelText,
    Split,
    Task,
    UniversalItem,
    UniversalSet,
    cue_sentence,
    cultural_tasks,
    everything,
    lettered_examples,
    question_text,
    unit,
    universal_tasks,
    worked_examples,
)
from interp.model import LoadedModel
from interp.model.read import Ids, Passes, Residuals, Template, Tokens, find_template, read_residuals
from interp.organism import counts_of
from interp.plane import Resampling
from interp.steering import Plan, check_plan
from interp.steering.engine import unsteered_mass
from interp.study.ask._checks import indistinct, indistinct_items, unknown_shares
from interp.study.ask._resolve import Inputs, following
from interp.study.config import RunConfig
from interp.study.folder import Parts
from interp.study.search import Design, design_of, in_turn, tested

OWN_ONLY = ("letter", "sentence")
"""Normalisations that score no options of other languages."""

MANY_WORDS = 2**15
"""A vocabulary of fewer words costs less than the blocks, and is never bounded."""

IN_ENGLISH = 32
"""English prompts whose likely words a bounded normaliser sums too."""


@dataclass(frozen=True)
class Study:
    """Model and data of a run, read once. Every prompt goes through `template`; costly results are kept in `parts`.

    A copy with another setting (`replace`) shares every field but recomputes cached values. tokens: encodes each text
    once, for all studies of this model; None without a tokenizer (a dry run). If you change `loaded` in a copy, change
    `tokens` too. rendered: prompts to reuse between studies that differ only in their design; by default prompts are
    made again.
    """

    config: RunConfig
    loaded: LoadedModel
    universal: UniversalSet
    cultural: CulturalSet
    parallel: ParallelText
    languages: tuple[str, ...]
    template: Template
    tokens: Tokens | None = field(repr=False)
    parts: Parts = field(default_factory=Parts)
    rendered: dict[tuple[object, ...], list[Task]] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: RunConfig, loaded: LoadedModel, inputs: Inputs) -> Study:
        """The study of a model, or of its outline in a dry run, and of datasets whose items are not counted yet."""
        known = loaded.model.tokenizer is not None
        template = find_template(loaded.model.tokenizer, config.template) if known else Template()
        return cls(
            config, loaded, inputs.universal, inputs.cultural, inputs.parallel, inputs.languages, template,
            Tokens(loaded.model) if known else None,
        )  # fmt: skip

    @property
    def passes(self) -> Passes:
        """How much goes through the model at once."""
        return {"memory": self.config.memory, "batch_size": self.config.batch_size}

    @property
    def n_layers(self) -> int:
        """Number of the model's blocks."""
        return int(self.loaded.model.cfg.n_layers)

    @property
    def counts(self) -> Counts:
        """Which items are scored in a language: not those that the model's corpus is known to have shown."""
        return counts_of(self.loaded.exposure)

    def culture(self, language: str) -> str:
        """The language's own culture."""
        return self.cultural.own_culture[language]

    def third_language(self, language: str) -> str | None:
        """A fixed other language of the datasets, not English; None if there is none."""
        return following(self.universal.languages, language)

    def wrong_culture(self, language: str) -> str | None:
        """The third language's culture or, if it is the same, another of the dataset's; None if there is none."""
        own, third, cultural = self.culture(language), self.third_language(language), self.cultural
        others = [c for c in cultural.cultures if c not in (own, cultural.reference) and c in cultural.cues]
        lent = cultural.own_culture.get(third or "")
        return lent if lent in others else next(iter(others), None)

    @cached_property
    def design(self) -> Design:
        """The design: numbers of items, layers and draws. With a small vocabulary, all log-likelihoods are exact."""
        design = design_of(self.config, self.n_layers)
        return replace(design, bounded=design.bounded and self.loaded.model.cfg.d_vocab >= MANY_WORDS)

    def universal_items(self, split: Split) -> list[UniversalItem]:
        """Universal items of a split that need no cultural knowledge; for test only as many as the analysis reads."""
        items = [item for item in self.universal.items if item.split == split and not item.sensitive]
        if split != "test":
            return items
        order = in_turn([item.cluster for item in items], [unit("tested", "universal", item.key) for item in items])
        return [items[place] for place in sorted(order[: self.design.located])]

    def cultural_items(self, language: str, split: Split) -> list[tuple[int, CulturalItem]]:
        """Cultural items of a split that are asked in a language, with their numbers in the dataset."""
        numbered = enumerate(self.cultural.items)
        return [(n, item) for n, item in numbered if item.split == split and language in item.questions]

    def shared_places(self, language: str, split: Split) -> tuple[list[int], list[int]]:
        """Positions of the cultural items asked both in a language and in English, in each of the two lists.

        Both lists name the same items in the same order. They are empty if the dataset asks nothing in English.
        """
        own, english = (
            {number: place for place, (number, _) in enumerate(self.cultural_items(code, split))}
            for code in (language, "en")
        )
        shared = [number for number in own if number in english]
        return [own[number] for number in shared], [english[number] for number in shared]

    @property
    def target_language(self) -> bool:
        """Whether every scored language shares cultural items of the fit split with English."""
        return all(self.shared_places(code, "fit")[0] for code in self.languages)

    @property
    def wrong_language(self) -> bool:
        """Whether every scored language has a third language that can stand in the target's place."""
        thirds = [self.third_language(code) for code in self.languages]
        return self.target_language and all(third and self.shared_places(third, "fit")[0] for third in thirds)

    def examples(self, language: str) -> str:
        """The worked examples in front of a prompt."""
        items = self.universal.examples[: self.config.shots]
        lettered = self.config.normalisation == "letter"
        return lettered_examples(items, language) if lettered else worked_examples(items, language)

    def universal_tasks(
        self, language: str, split: Split, *, full: bool = False, sensitive: bool = False, everywhere: bool = False
    ) -> list[Task]:
        """Universal tasks of a split that are scored in a language; with `everywhere`, all tasks.

        The design limits the number of test tasks. With `full`, as many as it compares also have the options of every
        language and their relation's other answers.
        """

        def make(full: bool) -> list[Task]:
            return universal_tasks(
                self.universal, language, split, everything if everywhere else self.counts,
                full=full, sensitive=sensitive, examples=self.examples(language),
            )  # fmt: skip

        if everywhere:
            return self._read_by_model(make(full=False))
        return self._designed(self._once(make, 0, language, split, sensitive), split, 0, full=full)

    def cultural_tasks(
        self, language: str, split: Split, cue: Cue = "none", *, culture: str = "", full: bool = False
    ) -> list[Task]:
        """Cultural tasks of a split that are scored in a language, for a culture (by default the language's own).

        The numbers for the test split and for `full` are as in `universal_tasks`.
        """

        def make(full: bool) -> list[Task]:
            return cultural_tasks(
                self.cultural, language, culture or self.culture(language), split, self.counts, cue,
                full=full, examples=self.examples(language),
            )  # fmt: skip

        return self._designed(self._once(make, 1, language, split, cue, culture), split, 1, full=full)

    def tasks(self, axis: Axis, language: str, split: Split) -> list[Task]:
        """`universal_tasks`, or `cultural_tasks` without a cue."""
        return self.universal_tasks(language, split) if axis == "universal" else self.cultural_tasks(language, split)

    def _once(self, make: Callable[[bool], list[Task]], *key: object) -> Callable[[bool], list[Task]]:
        """The tasks of `make` whose options the vocabulary tells apart, as the model reads them."""
        rendered = {} if self.rendered is None else self.rendered

        def tasks(full: bool) -> list[Task]:
            if (*key, full) not in rendered:
                distinct = (task for task in make(full) if not indistinct(task, self.tokens))
                rendered[*key, full] = self._read_by_model(distinct)
            return rendered[*key, full]

        return tasks

    def _designed(self, made: Callable[[bool], list[Task]], split: Split, axis: int, *, full: bool) -> list[Task]:
        """The tasks that the design looks at; with `full` some of them as `made(True)` gives them."""
        tasks = made(False)
        full = full and self.config.normalisation not in OWN_ONLY
        if split != "test":
            return made(True) if full else tasks
        places, compared = tested(self.design, tasks, axis)
        whole = {task.prompt.item: task for task in made(True)} if full and compared else {}
        return [whole[tasks[place].prompt.item] if whole and place in compared else tasks[place] for place in places]

    @cached_property
    def indistinct_items(self) -> list[tuple[Axis, LeftOut]]:
        """Items, by axis and language, that are left out because options have the same tokens."""
        return indistinct_items(self)

    @cached_property
    def unknown_shares(self) -> dict[str, float]:
        """Language -> the share of unknown tokens, where it is above 1%."""
        return unknown_shares(self)

    def _read_by_model(self, tasks: Iterable[Task]) -> list[Task]:
        return [replace(task, prompt=self.template.prompt(task.prompt)) for task in tasks]

    @cached_property
    def english_mass(self) -> Float[np.ndarray, "word"]:
        """The unsteered mass of words after English dev prompts: EN-steering moves probability towards them."""
        prompts = [task.prompt for task in self.universal_tasks("en", "dev", everywhere=True)[:IN_ENGLISH]]
        return unsteered_mass(self.loaded.model, prompts, tokens=self.tokens, **self.passes)

    @cached_property
    def resampling(self) -> Resampling:
        """Draws over the clusters of the whole test split, whatever the languages scored."""
        return self.resampling_of("test")

    def resampling_of(self, split: Split) -> Resampling:
        """Draws over the clusters of a split: of the whole split, or of the test prompts that the design uses."""
        if split == "test" and any(self.design.tested):
            tasks: list[Task] = []
            for code in self.languages:
                tasks += self.universal_tasks(code, "test") + self.universal_tasks(code, "test", sensitive=True)
                tasks += self.cultural_tasks(code, "test")
            axes = ("universal", "cultural", "sensitive")
            clusters = {axis: sorted({task.cluster for task in tasks if task.axis == axis}) for axis in axes}
        else:
            items = [item for item in self.universal.items if item.split == split]
            clusters = {
                "universal": [item.cluster for item in items if not item.sensitive],
                "cultural": [item.cluster for item in self.cultural.items if item.split == split],
                "sensitive": [item.cluster for item in items if item.sensitive],
            }
        return Resampling.over(clusters, self.config.bootstrap_draws, self.config.seed)

    def read(self, texts: Sequence[str], plan: Plan | None = None) -> Residuals:
        """Residuals at each text's last token, the text put into the template, the model steered by `plan`."""
        if plan is not None:
            check_plan(self.loaded.model, plan)
        ids = self.ids(self.template.text(text) for text in texts)
        return read_residuals(self.loaded.model, ids, hooks=plan.hooks if plan else None, **self.passes)

    def ids(self, texts: Iterable[str]) -> list[Ids]:
        """Token ids of prompts that have been put into the template."""
        assert self.tokens is not None, "a study of a model's outline encodes nothing"
        return [self.tokens.prompt(text) for text in texts]

    def universal_texts(self, language: str, split: Split) -> list[str]:
        """Prompts of all universal items of a split, asked in a language, before the template."""
        items, examples = self.universal_items(split), self.examples(language)
        return [question_text(item.question(language), language, examples=examples) for item in items]

    def cultural_texts(self, language: str, split: Split, cue: Cue = "none", culture: str = "") -> list[str]:
        """Prompts of the cultural items of a split, asked in a language with a cue, before the template."""
        items, examples = self.cultural_items(language, split), self.examples(language)
        cues = [cue_sentence(self.cultural, language, culture, cue, number) for number, _ in items]
        pairs = zip(items, cues, strict=True)
        return [question_text(item.questions[language], language, text, examples) for (_, item), text in pairs]

    @property
    def nonfactual(self) -> bool:
        """Whether English and every scored language have parallel sentences of the fit split."""
        return all(self.sentences(code, "fit") for code in ("en", *self.languages))

    def sentences(self, language: str, split: Split) -> list[str]:
        """The parallel sentences of a split in a language."""
        pairs = zip(self.parallel.sentences, self.parallel.splits, strict=True)
        return [sentence[language] for sentence, own in pairs if own == split and language in sentence]
