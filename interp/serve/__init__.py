"""A run's report with its model behind it: questions are asked and steered by hand in the page, on this machine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
