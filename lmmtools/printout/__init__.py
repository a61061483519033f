"""Printed fits, lme4's and MixedLM's, read from their text, with the digits that each number shows."""
