"""Agreement where it is needed: who may vote, and how many of them decide."""
