"""Who is there, what they hold, and who lacks what."""
