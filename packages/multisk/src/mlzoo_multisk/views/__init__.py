"""From raw sentences, rows of features and waves to the tokens that the models are given."""
