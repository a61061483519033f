"""The record of a fitted model, and the quantities that follow from it by a few lines."""
