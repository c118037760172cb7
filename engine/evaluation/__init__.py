"""Measuring: scorers, intervals, and a model's score on a data set."""
