from ._base import Done as Done
from ._execute import execute as execute
from ._options import ExecutorOptions as ExecutorOptions
from ._sharing import limit_threads as limit_threads
