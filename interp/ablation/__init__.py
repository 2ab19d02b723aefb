"""Checks of a finished run's choice: ablations, regret, and searches over random vectors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
