"""Average precision, F1 at K, their protocols and chance levels, on arrays."""
