"""The seams: what each part needs from the others, as Protocols and plain values.

Owns: the shapes of store, bus, clock, program, workflow runtime and engine.
Must not know: any implementation.
"""
