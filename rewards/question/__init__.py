"""Rewards that ask a model whether an image shows the prompt."""
