"""A case folder: a BagIt folder (RFC 8493) with a log, proofs and papers."""
