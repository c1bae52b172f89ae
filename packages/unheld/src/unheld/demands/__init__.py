"""The register of demands: what arrived, which rules it meets, what people decided. Nothing here can release."""
