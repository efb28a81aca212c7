"""Rewards by likeness to a prompt or an image: CLIP, SigLIP."""
