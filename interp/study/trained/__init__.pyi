from ._local_answers import option_texts as option_texts
from ._mechanism import patched_layers as patched_layers
from ._mechanism import patches_per_layer as patches_per_layer
from ._trained import TrainedModels as TrainedModels
from ._trained import check_trained as check_trained
from ._trained import groups as groups
from ._trained import means as means
from ._trained import members as members
