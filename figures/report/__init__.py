"""`report.html`: all results of a run in one file that opens from disk without a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
