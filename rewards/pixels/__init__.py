"""Pixels: rewards computed from them without weights; channels and sizes of images."""
