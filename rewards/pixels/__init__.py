"""Rewards computed from pixels, without weights."""
