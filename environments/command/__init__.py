"""Any existing repository as a domain: a TOML file says how it is trained and scored; no Python is needed."""
