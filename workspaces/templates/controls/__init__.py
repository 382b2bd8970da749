"""Entropy controls, one file a method: losses, advantages and terms that a recipe composes."""
