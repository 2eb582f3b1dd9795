"""How fast it is, next to its peers, on the machine at hand: `python -m benchmarks.embedded`.

Owns: what is measured, how, and how the numbers are told.
Must not know: how any part of the product works.
"""
