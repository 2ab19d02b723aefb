from ._ablate import ablate as ablate
from ._noise import add_noise as add_noise
