"""Estimates of a run's cost, counted without a model and measured in a few seconds, and the design for a budget."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
