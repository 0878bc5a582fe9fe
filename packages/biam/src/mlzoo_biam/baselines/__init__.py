"""What stands below BiAM: frequencies, ridge regression, mixed word vectors."""
