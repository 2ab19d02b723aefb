"""The transfer-localization plane: chosen options, means per method with intervals, and verdicts on effects."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
