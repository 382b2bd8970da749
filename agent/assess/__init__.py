"""Whether a domain can be researched: runs the probes that train, edit and revert.

Owns the order of the probes; formulas and verdict belong to `environments.probes` and
`environments.suitability`.
"""
