"""What is true: pure, synchronous, total. No I/O, no clock, no randomness of its own."""
