from ._matrix import Cultures as Cultures
from ._matrix import run_matrix as run_matrix
