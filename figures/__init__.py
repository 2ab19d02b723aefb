"""Figures of the plane, of layers and strengths, of directions and of what training moved, from result tables alone."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
