# Records cluster-robust covariances of lme4 fits, their degrees of freedom and joint tests, by clubSandwich.
#   Rscript tests/reference/make_robust.R        writes robust.json beside this file
# Fits stop at tight tolerances, so that what is recorded is the optimum's.
suppressPackageStartupMessages({library(lme4); library(clubSandwich); library(jsonlite)})
suppressPackageStartupMessages(data(Oats, Orthodont, Machines, Oxide, ergoStool, package = "nlme"))

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore")
plain <- function(data) {
  data <- as.data.frame(data)
  for (n in names(data)) if (is.ordered(data[[n]])) data[[n]] <- factor(data[[n]], ordered = FALSE)
  data
}
uneven <- function(data) data[(seq_len(nrow(data)) * 7) %% 11 != 0, ]
orthodont <- transform(plain(Orthodont), Subject = factor(as.character(Subject)))
single <- transform(orthodont, first = as.numeric(Subject == "M01"))
sites <- transform(sleepstudy, site = (as.integer(Subject) - 1) %/% 3)
cakes <- within(cake, temperature <- factor(temperature, ordered = FALSE))
# name, data set, formula in R and in Python, data; the column of the clusters, where it is not the outermost factor
models <- list(
  list("sleepstudy", "sleepstudy", Reaction ~ Days + (Days | Subject), "Reaction ~ Days + (Days | Subject)",
       uneven(sleepstudy)),
  list("sites", "sleepstudy", Reaction ~ Days + (Days || Subject), "Reaction ~ Days + (Days || Subject)",
       uneven(sites), "site"),
  list("cake", "cake", angle ~ recipe * temp + (1 | replicate / recipe), "angle ~ recipe * temp + (1 | replicate/recipe)",
       uneven(cakes)),
  list("orthodont", "Orthodont", distance ~ age * Sex + (age | Subject), "distance ~ age * Sex + (age | Subject)",
       uneven(orthodont)),
  list("single", "Orthodont", distance ~ age + first + (1 | Subject), "distance ~ age + first + (1 | Subject)",
       uneven(single)),
  list("machines", "Machines", score ~ Machine + (1 | Worker / Machine), "score ~ Machine + (1 | Worker/Machine)",
       uneven(plain(Machines))),
  list("oats", "Oats", yield ~ Variety + nitro + (1 | Block / Variety), "yield ~ Variety + nitro + (1 | Block/Variety)",
       uneven(plain(Oats))),
  list("oxide", "Oxide", Thickness ~ Source + (1 | Lot / Wafer), "Thickness ~ Source + (1 | Lot/Wafer)",
       uneven(plain(Oxide))),
  list("ergo_stool", "ergoStool", effort ~ Type + (1 | Subject), "effort ~ Type + (1 | Subject)",
       uneven(plain(ergoStool)))
)
kinds <- c("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
record <- function(m) {
  formula <- m[[3]]
  fit <- lmer(formula, m[[5]], control = tight)
  of_kind <- function(kind) {
    if (kind == "CR3" && m[[1]] == "single") return(NULL)
    V <- if (length(m) > 5) vcovCR(fit, cluster = m[[5]][[m[[6]]]], type = kind) else vcovCR(fit, type = kind)
    tests <- coef_test(fit, V)
    limits <- conf_int(fit, V)
    p <- length(fixef(fit))
    joint <- if (p > 2) Wald_test(fit, constrain_zero(2:p), V) else Wald_test(fit, constrain_zero(1:2), V)
    list(kind = kind, cov = unname(as.matrix(V)), se = tests$SE, df = tests$df_Satt, p = tests$p_Satt,
         lower = limits$CI_L, upper = limits$CI_U,
         joint = list(from = if (p > 2) 1 else 0, F = joint$Fstat, num_df = joint$df_num, den_df = joint$df_denom,
                      p = joint$p_val))
  }
  list(name = m[[1]], data = m[[2]], formula = m[[4]], cluster = if (length(m) > 5) m[[6]] else NA,
       found = Filter(Negate(is.null), lapply(kinds, of_kind)))
}
versions <- sapply(c("lme4", "clubSandwich"), function(p) as.character(packageVersion(p)))
write_json(list(R = as.character(getRversion()), versions = as.list(versions), models = lapply(models, record)),
           "tests/reference/robust.json", auto_unbox = TRUE, digits = NA, na = "null")
