"""Designs and budgets, and the one search for the layers and strengths of every method and every control."""
