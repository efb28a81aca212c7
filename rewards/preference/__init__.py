"""Rewards of what people prefer, learned from their choices; looks."""
