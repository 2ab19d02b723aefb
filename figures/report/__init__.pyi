from ._page import FILE as FILE
from ._page import desk_html as desk_html
from ._page import report_html as report_html
from ._page import write_report as write_report
from ._words import sentences as sentences
