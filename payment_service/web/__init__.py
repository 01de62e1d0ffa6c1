"""The HTTP layer that all channels share: strict parsing, tokens, errors and responses. It has no channel's own code."""
