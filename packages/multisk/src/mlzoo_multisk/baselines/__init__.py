"""What stands below Multi-SK: random embeddings, and linear maps of pooled features."""
