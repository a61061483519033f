# What lme4, lmerTest, pbkrtest and emmeans offer: their exports, and the methods for fits and for what they return.
# Rscript make_exports.R > r_exports.json
suppressPackageStartupMessages({
  library(jsonlite)
  for (p in c("lme4", "lmerTest", "pbkrtest", "emmeans")) library(p, character.only = TRUE)
})
packages <- c("lme4", "lmerTest", "pbkrtest", "emmeans")
classes <- c("merMod", "lmerMod", "lmerModLmerTest", "ranef.mer", "VarCorr.merMod", "thpr", "bootMer", "KRmodcomp",
             "PBmodcomp", "SATmodcomp", "emmGrid")
generics <- function(class) {
  found <- attr(methods(class = class), "info")
  unique(sub(",.*$", "", sub(paste0("[.]", class, "$"), "", rownames(found))))
}
cat(toJSON(list(
  versions = as.list(sapply(packages, function(p) as.character(packageVersion(p)))),
  exports = sapply(packages, function(p) sort(ls(paste0("package:", p))), simplify = FALSE),
  methods = sapply(classes, generics, simplify = FALSE)
), auto_unbox = TRUE, pretty = TRUE), "\n")
