"""What a payment is, with the standard library only: no SQL, no HTTP, no framework."""
