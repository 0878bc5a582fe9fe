"""What MSR-VTT and YouCook2 have in common: captions, stored features, parts, preparing, examining."""
