"""Scores on test and the tables made from them: methods, controls, layers, generated answers, robustness, damage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
