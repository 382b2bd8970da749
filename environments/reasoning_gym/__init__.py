"""The procedural datasets of reasoning-gym (2505.24760), each a domain by its name."""
