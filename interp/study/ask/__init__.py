"""Settings and names looked up, and the prompts, residuals and scores of a run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
