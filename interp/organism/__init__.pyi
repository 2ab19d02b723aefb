from ._exposure import FILE as FILE
from ._exposure import Exposure as Exposure
from ._exposure import counts_of as counts_of
from ._train import Recipe as Recipe
from ._train import train as train
