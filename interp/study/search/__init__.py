"""Designs, and the search for layers and strengths that all methods and controls share."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
