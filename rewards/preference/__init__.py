"""Rewards for what people prefer, learned from their choices, and for looks."""
