"""The product as it is measured: one process for one case, `python -m benchmarks.ours CASE`.

Owns: carrying out each case through the product's public doors.
Must not know: how often a case is repeated, who the peers are.
"""
