from ._all import CULTURAL as CULTURAL
from ._all import PARALLEL as PARALLEL
from ._all import UNIVERSAL as UNIVERSAL
