"""Stored videos without pickle: WebDataset shards with an index beside them."""
