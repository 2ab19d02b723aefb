from ._computing import Base as Base
from ._computing import compute as compute
from ._computing import forget as forget
from ._units import RECORDS as RECORDS
from ._units import Unit as Unit
from ._units import units_of as units_of
