from ._matrix import run_matrix as run_matrix
from ._vectors import Cultures as Cultures
