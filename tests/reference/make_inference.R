# Records lmerTest's and pbkrtest's degrees of freedom, tests of contrasts and of terms, likelihood-ratio tests, lmerTest's
# ranova and lme4's profile intervals.
#   Rscript tests/reference/make_inference.R        writes inference.json beside this file
# Fits stop at tight tolerances, so that what is recorded is the optimum's.
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest); library(jsonlite)})

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore")
uneven <- sleepstudy[(seq_len(180) * 7) %% 11 != 0, ]
cake$temperature <- factor(cake$temperature, ordered = FALSE) # lme4 has it ordered, which would code it by polynomials
keep <- (seq_len(270) * 7) %% 13 != 0
keep <- keep & !(cake$recipe == "A" & cake$temperature == "175" & as.integer(cake$replicate) < 9)
cakeUneven <- cake[keep, ]
cakeEmpty <- cakeUneven[!(cakeUneven$recipe == "B" & cakeUneven$temperature == "215"), ]
penicillinUneven <- Penicillin[(seq_len(144) * 5) %% 7 != 0, ]
nearSingular <- sleepstudy[as.integer(sleepstudy$Subject) > 12, ]
models <- list(
  list("sleepstudy_slopes", Reaction ~ Days + (Days | Subject), sleepstudy, "all", TRUE),
  list("sleepstudy_uncorrelated", Reaction ~ Days + (Days || Subject), sleepstudy, "all", TRUE),
  list("sleepstudy_uneven", Reaction ~ Days + (1 | Subject), uneven, "uneven", TRUE),
  list("sleepstudy_uneven_slopes", Reaction ~ Days + (Days | Subject), uneven, "uneven", TRUE),
  list("sleepstudy_ml", Reaction ~ Days + (Days | Subject), sleepstudy, "all", FALSE),
  list("penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, "all", TRUE),
  list("pastes", strength ~ 1 + (1 | batch / cask), Pastes, "all", TRUE),
  list("cake", angle ~ recipe * temp + (1 | recipe:replicate), cake, "all", TRUE),
  list("cake_factors_uneven", angle ~ recipe * temperature + (1 | recipe:replicate), cakeUneven, "uneven", TRUE),
  list("cake_empty_cell", angle ~ recipe * temperature + (1 | replicate), cakeEmpty, "empty", TRUE),
  list("cake_polynomial", angle ~ recipe + poly(temp, 2) + (1 | recipe:replicate), cakeUneven, "uneven", TRUE),
  list("cake_slopes", angle ~ recipe + temp + (temp | replicate), cake, "all", TRUE),
  list("penicillin_uneven", diameter ~ 1 + (1 | plate) + (1 | sample), penicillinUneven, "uneven", TRUE),
  list("penicillin_turned", diameter ~ 1 + (1 | sample) + (1 | plate), Penicillin, "all", TRUE),
  list("sleepstudy_near_singular", Reaction ~ Days + I(Days^2) + (Days | Subject), nearSingular, "few", TRUE)
)
# Models whose terms lmerTest holds to contain each other, or codes, in its own way: matrices, missing margins, a single
# term, sums to zero, no constant.
contained <- list(
  angle ~ recipe * scale(temp) + (1 | replicate),
  angle ~ recipe * poly(temp, 2) + (1 | replicate),
  angle ~ recipe + recipe:scale(temp) + (1 | replicate),
  angle ~ recipe / temperature + (1 | replicate),
  angle ~ temp + temp:recipe + (1 | replicate),
  angle ~ recipe:temp + (1 | replicate),
  angle ~ temperature + (1 | replicate),
  angle ~ recipe * I(temp > 200) + (1 | replicate),
  angle ~ C(recipe, contr.sum) * C(temperature, contr.helmert) + (1 | replicate),
  angle ~ 0 + C(recipe, contr.sum) + temperature + (1 | replicate)
)
vector_of <- function(x) if (is.null(x)) NULL else I(x)
types_of <- function(fit, with_kr) lapply(1:3, function(type) {
  a <- suppressMessages(anova(fit, type = type))
  b <- if (with_kr) suppressMessages(anova(fit, type = type, ddf = "Kenward-Roger"))
  list(term = I(rownames(a)), sum_sq = I(a[["Sum Sq"]]), num_df = I(a[["NumDF"]]), den_df = I(a[["DenDF"]]),
       F = I(a[["F value"]]), p = I(a[["Pr(>F)"]]), kr_F = vector_of(b[["F value"]]), kr_den_df = vector_of(b[["DenDF"]]))
})
record_contained <- function(formula) {
  fit <- do.call(lmer, list(formula, cakeUneven, control = tight))
  list(name = "cake_contained", reml = TRUE, rows = "uneven", formula = paste(deparse(formula, 500), collapse = ""),
       anova = types_of(fit, TRUE))
}
record <- function(m) {
  # Values in the call: pbkrtest evaluates it again.
  fit <- suppressWarnings(do.call(lmer, list(m[[2]], m[[3]], REML = m[[5]], control = tight)))
  p <- length(fixef(fit))
  one <- coef(summary(fit))
  last <- diag(p)[seq(max(1, p - 1), p), , drop = FALSE]
  joint <- contestMD(fit, last)
  kenward <- if (m[[5]]) {
    two <- coef(summary(fit, ddf = "Kenward-Roger"))
    both <- contestMD(fit, last, ddf = "Kenward-Roger")
    list(se = unname(two[, "Std. Error"]), df = unname(two[, "df"]), p = unname(two[, "Pr(>|t|)"]),
         F = both[["F value"]], den_df = both[["DenDF"]], F_p = both[["Pr(>F)"]])
  }
  types <- if (p > 1) types_of(fit, m[[5]])
  r <- ranova(fit)
  random <- list(term = I(rownames(r)[-1]), llf = I(r$logLik[-1]), lrt = I(r$LRT[-1]), df = I(r$Df[-1]), p = I(r$`Pr(>Chisq)`[-1]))
  list(kenward_roger = kenward, anova = types, ranova = random,
       name = m[[1]], reml = m[[5]], rows = m[[4]], formula = paste(deparse(m[[2]], 500), collapse = ""),
       df = unname(one[, "df"]), t = unname(one[, "t value"]), p = unname(one[, "Pr(>|t|)"]),
       F = joint[["F value"]], num_df = joint[["NumDF"]], den_df = joint[["DenDF"]], F_p = joint[["Pr(>F)"]],
       sum_sq = joint[["Sum Sq"]])
}
both <- suppressMessages(anova(
  lmer(Reaction ~ Days + (Days || Subject), sleepstudy, control = tight),
  lmer(Reaction ~ Days + (Days | Subject), sleepstudy, control = tight)
))
lrt <- list(aic = both$AIC, bic = both$BIC, llf = both$logLik, chisq = both$Chisq[2], df = both$Df[2],
            p = both$`Pr(>Chisq)`[2])
interval <- function(name, formula, data, rows, days = NULL) {
  if (!is.null(days)) data <- data[data$Days >= days[1] & data$Days <= days[2], ]
  fit <- suppressMessages(do.call(lmer, list(formula, data)))
  found <- list(name = name, data = rows, formula = paste(deparse(formula, 500), collapse = ""),
                limits = unname(suppressMessages(suppressWarnings(confint(fit, quiet = TRUE)))))
  if (is.null(days)) found else c(found, list(days = days))
}
profiles <- list(
  interval("slopes", Reaction ~ Days + (Days | Subject), sleepstudy, "sleepstudy"),
  interval("undetermined", Reaction ~ Days + (Days | Subject), sleepstudy, "sleepstudy", c(4, 8)),
  interval("uncorrelated", Reaction ~ Days + (Days || Subject), sleepstudy, "sleepstudy"),
  interval("crossed", diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, "Penicillin"),
  interval("nested", strength ~ 1 + (1 | batch / cask), Pastes, "Pastes"),
  interval("one_way", Yield ~ 1 + (1 | Batch), Dyestuff, "Dyestuff"),
  interval("boundary", Yield ~ 1 + (1 | Batch), Dyestuff2, "Dyestuff2"),
  interval("factors", angle ~ recipe + temp + (1 | recipe:replicate), cake, "cake")
)
sugar <- as.list(pbkrtest::beets)
sugar <- c(lapply(sugar[c("harvest", "block", "sow")], as.character), sugar["sugpct"])
versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                 lmerTest = as.character(packageVersion("lmerTest")),
                 pbkrtest = as.character(packageVersion("pbkrtest")))
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, fits = lapply(models, record),
                contained = lapply(contained, record_contained), lrt = lrt, profiles = profiles,
                beets = sugar), file.path(folder, "inference.json"),
           digits = 15, auto_unbox = TRUE, pretty = TRUE)
