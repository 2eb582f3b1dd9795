"""The stores: one package for each database, all of them `holdfast.ports.store.Store`.

Owns: nothing but the room.
Must not know: who uses a store.
"""
