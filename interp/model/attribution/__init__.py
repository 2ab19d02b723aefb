"""Attribution: which blocks and heads contribute to a logit difference, and which carry the effect of a cue."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
