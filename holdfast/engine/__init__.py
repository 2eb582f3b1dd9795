"""The engine: history in, commands out. No I/O, no clock, no entropy, no threads."""
