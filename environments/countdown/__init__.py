"""Countdown with four numbers: reach a target in at most three steps of exact arithmetic."""
