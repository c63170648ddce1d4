"""A site of real processes that agrees while its network is cut, its brokers freeze and its members are killed."""
