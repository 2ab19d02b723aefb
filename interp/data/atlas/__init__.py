"""Atlas: our own embedded dataset of universal facts and cultural customs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
