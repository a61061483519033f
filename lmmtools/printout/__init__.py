"""Reading what R printed: the text of ``summary(lmer(...))`` -> PrintedSummary."""
