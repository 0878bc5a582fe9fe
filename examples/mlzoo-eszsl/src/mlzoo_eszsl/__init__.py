"""ESZSL as a plugin of mlzoo."""
