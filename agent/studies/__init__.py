"""Published claims about entropy, tried again on the domains that are here."""
