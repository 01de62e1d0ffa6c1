"""Whoever really moves the money, behind one port: no SQL, no HTTP framework."""
