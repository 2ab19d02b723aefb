"""Loading of hooked models from folders, GGUF files and the Hub, with adapters. Checks run before weights are read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
