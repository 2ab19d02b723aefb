"""Names of rows that every table of results has."""

BASE = "base"
"""The model as it is: neither steered nor trained."""

MACRO = "macro"
"""The mean over languages."""

STEERED = ("en", "loc", "loc_contrast", "loc_language", "surgical", "surgical_language")
"""Steering methods: EN, the three readings of LOC, and EN together with two of these."""

CONTROLS = (
    "random", "shuffled", "third_language", "nonfactual_en", "wrong_culture", "placebo_cue", "wrong_language",
)  # fmt: skip
"""What the steering methods are compared with; the first two are drawn many times."""
