"""Rewards that ask a model whether a picture shows the prompt."""
