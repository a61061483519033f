# Records fits of imputed data sets pooled by mice and mitml, and their pooled means by emmeans.
#   Rscript tests/reference/make_pooled.R        writes pooled.json beside this file
# The imputations are made by formulas, so that Python makes the same ones; what they are good for does not matter here.
suppressPackageStartupMessages({library(lme4); library(mice); library(mitml); library(emmeans); library(jsonlite)})
suppressPackageStartupMessages(library(broom.mixed))
# Without this emmeans takes Kenward and Roger's covariance of each fit, and pools that.
emm_options(msg.interaction = FALSE, lmer.df = "asymptotic")

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
imputed <- function(i) {
  at <- seq_len(nrow(sleepstudy))
  is_missing <- at %% 6 == 0
  z <- sleepstudy$Reaction / 50 + sin(5 * at)
  z[is_missing] <- (sleepstudy$Reaction / 50 + 1.5 * sin(37 * at + 11 * i))[is_missing]
  group <- (at * 5) %/% 7 %% 3
  group[is_missing] <- ((at + i * (at %/% 6)) %% 3)[is_missing]
  data.frame(sleepstudy, z = z, group = factor(c("a", "b", "c")[group + 1]))
}
m <- 5
sets <- as.mitml.list(lapply(seq_len(m), imputed))
fit <- function(reml, formula) lapply(sets, function(d) {
  environment(formula) <- environment()
  eval(bquote(lmer(.(formula), d, REML = .(reml), control = tight)))
})
as_mitml <- function(fits) structure(fits, class = c("mitml.result", "list"))
large <- Reaction ~ Days + z + group + (Days | Subject)
small <- Reaction ~ Days + (Days | Subject)
reml <- fit(TRUE, large)
ml <- fit(FALSE, large)
ml_small <- fit(FALSE, small)
reml_small <- fit(TRUE, small)

pooled <- pool(as.mira(reml))
told <- summary(pooled, type = "all", conf.int = TRUE)
infinite <- summary(pool(as.mira(reml), dfcom = Inf), type = "all")
test <- function(...) as.list(testModels(...)$test[1, ])
means <- as.data.frame(emmeans(as.mira(reml), ~ group, at = list(Days = 4)))
pairs_ <- as.data.frame(pairs(emmeans(as.mira(reml), ~ group, at = list(Days = 4)), adjust = "none"))
out <- list(
  R = as.character(getRversion()),
  versions = as.list(sapply(c("lme4", "mice", "mitml", "broom.mixed", "emmeans"), function(p) as.character(packageVersion(p)))),
  m = m, pooled = as.list(told), infinite = as.list(infinite),
  tests = list(
    D1 = test(as_mitml(reml), as_mitml(reml_small), method = "D1"),
    D1_adjusted = test(as_mitml(reml), as_mitml(reml_small), method = "D1", df.com = 171),
    D2_wald = test(as_mitml(reml), as_mitml(reml_small), method = "D2", use = "wald"),
    D2 = test(as_mitml(ml), as_mitml(ml_small), method = "D2", use = "likelihood"),
    D3 = test(as_mitml(ml), as_mitml(ml_small), method = "D3")),
  means = as.list(means), contrasts = as.list(pairs_))
write_json(out, "tests/reference/pooled.json", auto_unbox = TRUE, digits = NA, na = "null")
