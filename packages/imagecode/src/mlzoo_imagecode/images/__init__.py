"""Images as CLIP sees them: preprocessing, where they lie, and reading ahead. Imports no torch."""
