"""translocal finds where a multilingual language model keeps universal facts and culture, and steers both."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
