"""The embedded model: its corpus, exposure table, tokenizer and training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
