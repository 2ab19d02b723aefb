"""The transfer-localization plane: what was chosen, where methods land, and what an effect may be called."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
