"""Log-likelihoods of options under plans: the reference path, and replay."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
