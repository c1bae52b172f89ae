"""The line to the custodians: asking them, the way of the bytes, and what they attested."""
