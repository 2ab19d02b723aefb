"""Cross-lingual alignment by training: instruction tuning, MidAlign and CLO as LoRA adapters, on one small trainer."""
