"""Regression models that optimizers and results share; importing this package loads none."""
