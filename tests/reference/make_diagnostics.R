# Records lme4's conditional modes as a frame, coefficients per level, principal components of the random effects, and deletion diagnostics.
#   Rscript tests/reference/make_diagnostics.R        writes diagnostics.json beside this file
# Fits stop at tight tolerances; those with rows left out, which influence() makes, at lme4's own.
suppressPackageStartupMessages({library(lme4); library(jsonlite)})

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore")
even <- function(n) rep(1, n)
rising <- function(n) seq(0.5, 2, length.out = n)
uneven <- sleepstudy[(seq_len(180) * 7) %% 11 != 0, ]
models <- list(
  list("sleepstudy_slopes", "sleepstudy", Reaction ~ Days + (Days | Subject), sleepstudy, "Subject", even),
  list("sleepstudy_uncorrelated", "sleepstudy", Reaction ~ Days + (Days || Subject), sleepstudy, NULL, even),
  list("sleepstudy_weighted", "sleepstudy", Reaction ~ Days + (Days | Subject), sleepstudy, NULL, rising),
  list("uneven_slopes", "sleepstudy", Reaction ~ Days + (Days | Subject), uneven, "Subject", even),
  list("no_fixed_slope", "sleepstudy", Reaction ~ 1 + (Days | Subject), sleepstudy, NULL, even),
  list("penicillin", "Penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, "sample", even),
  list("pastes", "Pastes", strength ~ 1 + (1 | batch / cask), Pastes, "batch", even),
  list("cake", "cake", angle ~ recipe + temp + (1 | recipe:replicate), cake, NULL, even),
  list("cake_recipes", "cake", angle ~ temp + (recipe | replicate), cake, NULL, even),
  list("dyestuff2_singular", "Dyestuff2", Yield ~ 1 + (1 | Batch), Dyestuff2, NULL, even)
)
deletions <- function(fit, group) {
  found <- influence(fit, groups = group)
  se <- t(vapply(found[[sprintf("vcov[-%s]", group)]], function(v) sqrt(diag(as.matrix(v))), fixef(fit)))
  se <- matrix(se, ncol = length(fixef(fit)))  # dfbetas() itself stops where there is one fixed effect
  changes <- dfbeta(found)
  list(group = group, levels = as.character(found$deleted), cooks = unname(cooks.distance(found)),
       changes = unname(changes), dfbetas = unname(changes / se),
       components = unname(found[[sprintf("var.cov.comps[-%s]", group)]]))
}
record <- function(m) {
  given <- cbind(m[[4]], w = m[[6]](nrow(m[[4]])))
  fit <- do.call(lmer, list(m[[3]], given, weights = given$w, control = tight))
  modes <- as.data.frame(ranef(fit, condVar = TRUE))
  components <- rePCA(fit)
  out <- list(
    name = m[[1]], data = m[[2]], formula = paste(deparse(m[[3]], 500), collapse = ""),
    rows = if (identical(m[[4]], uneven)) "uneven" else "all", weighted = !all(given$w == 1),
    ranef = list(grpvar = as.character(modes$grpvar), term = as.character(modes$term), grp = as.character(modes$grp),
                 condval = modes$condval, condsd = modes$condsd),
    repca = lapply(components, function(x) list(sdev = I(x$sdev), rotation = x$rotation,
                                                importance = summary(components)[[1]]$importance)),
    coef = lapply(coef(fit), function(x) list(names = I(names(x)), levels = rownames(x), values = unname(as.matrix(x)))),
    hat = unname(hatvalues(fit)), cooks = unname(cooks.distance(fit)), rstudent = unname(rstudent(fit))
  )
  for (factor in names(components)) out$repca[[factor]]$importance <- unname(summary(components)[[factor]]$importance)
  if (!is.null(m[[5]])) {
    fit <- do.call(lmer, list(m[[3]], m[[4]], control = tight))
    out$deletions <- suppressMessages(deletions(fit, m[[5]]))
  }
  out
}
versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")))
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, fits = lapply(models, record)), file.path(folder, "diagnostics.json"),
           digits = 15, auto_unbox = TRUE, pretty = TRUE)
