"""HTTP as every channel needs it: strict parsing, tokens, errors and answers. What is one channel's own lives there."""
