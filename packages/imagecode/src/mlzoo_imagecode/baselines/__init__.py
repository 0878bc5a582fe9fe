"""What stands below ImageCoDe: chance, positions, and images without the text."""
