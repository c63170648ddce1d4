"""A committee without nodes: the shipped rule over a network made from a seed, with liars who have their own keys."""
