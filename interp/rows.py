"""Names of rows that every table of results has."""

BASE = "base"
"""The model as it is: neither steered nor trained."""

MACRO = "macro"
"""The mean over languages."""
