"""Cross-lingual alignment by training: instruction tuning, MidAlign and CLO as LoRA adapters, on one small trainer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
