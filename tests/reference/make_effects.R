# Records variance inflation by car and performance, effect sizes by effectsize and emmeans, and tests of residuals by R.
#   Rscript tests/reference/make_effects.R        writes effects.json beside this file
suppressPackageStartupMessages({
  library(lme4); library(lmerTest); library(car); library(performance); library(effectsize); library(emmeans)
  library(jsonlite)
})
emm_options(lmerTest.limit = 1e5, msg.interaction = FALSE)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
at <- seq_len(nrow(sleepstudy))
sleep <- transform(sleepstudy, z = Days + 2 * sin(at), g = factor(c("a", "b", "c")[(at * 5) %/% 7 %% 3 + 1]))
cakes <- within(cake, temperature <- factor(temperature, ordered = FALSE))
models <- list(
  list("sleepstudy", Reaction ~ Days + z + g + (Days | Subject), "Reaction ~ Days + z + g + (Days | Subject)", sleep, "g"),
  list("cake", angle ~ recipe * temp + (1 | recipe:replicate), "angle ~ recipe * temp + (1 | recipe:replicate)", cakes,
       "recipe"))
record <- function(m) {
  fit <- do.call(lmerTest::lmer, list(m[[2]], data = m[[4]], control = tight))
  plain <- do.call(lme4::lmer, list(m[[2]], data = m[[4]], control = tight))
  inflation <- car::vif(plain)
  tests <- anova(fit)
  shares <- function(f) {
    both <- as.data.frame(f(tests, partial = TRUE, alternative = "two.sided", verbose = FALSE))
    low <- as.data.frame(f(tests, partial = TRUE, verbose = FALSE))
    list(value = both[[2]], lower = both$CI_low, upper = both$CI_high, lower_one_sided = low$CI_low)
  }
  means <- emmeans(fit, m[[5]], lmer.df = "satterthwaite")
  d <- as.data.frame(eff_size(means, sigma = sigma(fit), edf = 50))
  r <- rstudent(plain)
  fitted_ <- fitted(plain)
  subject <- plain@frame[[names(plain@flist)[which.min(sapply(plain@flist, nlevels))]]]
  if (is.null(subject)) subject <- plain@flist[[1]]
  levene <- leveneTest(r, subject, center = median)
  list(name = m[[1]], formula = m[[3]], gvif = unname(inflation[, 1]), adjusted = unname(inflation[, 3]),
       performance = as.data.frame(check_collinearity(plain))$VIF,
       eta = shares(eta_squared), omega = shares(omega_squared), epsilon = shares(epsilon_squared),
       factor = m[[5]], d = d$effect.size, se = d$SE, edf = 50,
       shapiro = as.numeric(check_normality(plain)),
       koenker = length(r) * summary(lm(r^2 ~ fitted_))$r.squared,
       levene = c(levene$`F value`[1], levene$Df))
}
versions <- sapply(c("lme4", "lmerTest", "car", "performance", "effectsize", "emmeans"),
                   function(p) as.character(packageVersion(p)))
write_json(list(R = as.character(getRversion()), versions = as.list(versions), models = lapply(models, record)),
           "tests/reference/effects.json", auto_unbox = TRUE, digits = NA, na = "null")
