"""What converges without agreement: sets, registers, counters and series over the vertices held, and their root."""
