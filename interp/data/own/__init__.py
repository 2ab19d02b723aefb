"""The user's own data: one file per axis, one row per item and language (columns: docs/data.md)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
