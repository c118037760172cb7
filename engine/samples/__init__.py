"""Makes the Pocket lab: an invented world, the texts and data sets about it, and the small model trained on them."""
