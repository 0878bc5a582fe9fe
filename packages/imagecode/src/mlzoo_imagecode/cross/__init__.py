"""ViLBERT and UNITER: text and image regions in one encoder."""
