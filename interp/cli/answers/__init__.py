"""Commands that show what a model answers, unsteered and steered."""
