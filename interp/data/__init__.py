"""Languages, items, splits, prompts and datasets."""
