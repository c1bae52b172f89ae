"""What runs in the country: seals, closes, parks, applies plans signed elsewhere."""
