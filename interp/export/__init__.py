"""Plans for other tools: GGUF control vectors, lm-evaluation-harness, plain checkpoints, folders, the Hub."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
