from ._own import axis_of as axis_of
from ._own import is_file as is_file
from ._own import load_cultural as load_cultural
from ._own import load_universal as load_universal
