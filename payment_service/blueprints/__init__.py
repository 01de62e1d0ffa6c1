"""The paths that belong to no single channel: shared payments and refunds, health."""
