"""The functions of PromQL: one file a family, one table over all."""
