"""The HTTP layer that all channels share: strict parsing, tokens, errors and responses. No channel's code is in it."""
