"""Data files: safe readers, what must lie where, checksums and fingerprints."""
