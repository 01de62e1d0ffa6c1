"""The payment domain, with the standard library only: no SQL, no HTTP, no framework."""
