"""From a name to a hooked model: checkpoint folders, GGUF files, the Hub, adapters; checked before weights are read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
