from ._choices import CHOICE as CHOICE
from ._loader import ENTRY as ENTRY
