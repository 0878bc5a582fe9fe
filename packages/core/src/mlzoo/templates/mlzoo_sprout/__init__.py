"""The model ``sprout`` as a plugin of mlzoo."""
