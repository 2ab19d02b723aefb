"""BLEnD (Myung et al. 2024, arXiv:2406.09948): what people of 16 countries and regions say of their everyday life.

The questions name the country; ours are asked without it (`phrases`). Answers are compared as concepts (`concepts`),
a generated answer by BLEnD's rule (`interp.data.matching`). A language that several countries share is scored for one
of them: Spanish for Spain, Korean for South Korea; English for none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
