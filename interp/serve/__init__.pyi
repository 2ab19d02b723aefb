from ._asking import Ask as Ask
from ._asking import HandSteer as HandSteer
from ._asking import read_ask as read_ask
from ._desk import Desk as Desk
from ._opening import fitted_desk as fitted_desk
from ._opening import run_desk as run_desk
from ._server import serve as serve
