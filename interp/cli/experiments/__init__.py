"""Commands that ask, fit, steer or train: runs and what builds on them."""
