"""From readings to events: windows, named features, decisions, and the account of every reading."""
