"""A linear regression that the nodes of a federation learn together."""
