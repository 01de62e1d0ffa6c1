"""The HTTP layer that all channels share: strict parsing, tokens, errors and responses. Nothing here is one channel's."""
