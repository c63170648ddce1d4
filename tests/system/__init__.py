"""What is shipped: the wheel, the unit, one boot."""
