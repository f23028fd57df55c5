"""Is a potential to be trusted? Model check and a user's own reference data."""
