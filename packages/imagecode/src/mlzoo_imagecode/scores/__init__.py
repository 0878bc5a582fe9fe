"""What evaluators count: choices, ranks, distances, phenomena, chance, paired tests."""
