"""Events on their way out: claimed, sent with no transaction open, marked after the acknowledgement."""
