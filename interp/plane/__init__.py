"""The transfer-localization plane: what was chosen, where methods land, and what an effect may be called."""

from interp.plane.cells import Cells, Effect, Resampling, contrast, estimate, points
from interp.plane.choices import best, chosen_share, normalise
from interp.plane.fronts import hypervolume, pareto
from interp.plane.outcomes import EXTRA_METRICS, METRICS, TASK, outcomes
from interp.plane.specific import beyond_other_questions
from interp.plane.verdicts import direction, macro_sentences, verdict_table

__all__ = [
    "EXTRA_METRICS", "METRICS", "TASK", "Cells", "Effect", "Resampling", "best", "beyond_other_questions",
    "chosen_share", "contrast", "direction", "estimate", "hypervolume", "macro_sentences", "normalise", "outcomes",
    "pareto", "points", "verdict_table",
]  # fmt: skip
