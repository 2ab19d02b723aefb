"""Probes, controls, alignment measures and cluster intervals on arrays and labels alone: no model needed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
