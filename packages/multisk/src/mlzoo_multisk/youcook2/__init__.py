"""YouCook2, the clips of its validation videos."""
