"""Figures from result tables: the plane, layers and strengths, directions, and effects of training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
