"""Melodies of twelve notes: a creative domain, in which many answers are right and sameness is the failure."""
