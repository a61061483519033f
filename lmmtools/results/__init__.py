"""The record of a fit, whatever engine made it."""
