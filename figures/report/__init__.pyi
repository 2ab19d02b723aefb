from ._page import FILE as FILE
from ._page import write_report as write_report
from ._words import sentences as sentences
