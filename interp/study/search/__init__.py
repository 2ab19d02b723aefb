"""Designs and budgets, and the one search for the layers and strengths of every method and every control."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
