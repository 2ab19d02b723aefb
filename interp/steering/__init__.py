"""Vectors, operators, plans, scoring."""
