"""Rewards of counts: detectors, colours, and how prompts are read for them."""
