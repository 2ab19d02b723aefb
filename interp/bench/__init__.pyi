from ._bench import Row as Row
from ._bench import bench as bench
from ._settings import own_weights as own_weights
from ._settings import settings as settings
