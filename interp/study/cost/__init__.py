"""What a run takes: counted without a model, measured in a few seconds, bought with a budget."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
