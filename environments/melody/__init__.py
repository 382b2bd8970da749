"""Melodies of twelve notes: a creative domain, where many answers are right and sameness is the failure."""
