"""Attacks that are run inside a sandbox; `main` runs them all. Reads nothing of ours."""
