"""What tests of Holdfast itself, of stores of your own, and of your automations are built from.

Owns: nothing but the room.
Must not know: pytest. Everything here runs under any test runner.
"""
