"""The use cases in plain values: steps take a connection and never commit, operations own their phases."""
