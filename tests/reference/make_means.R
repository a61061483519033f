# Records means, contrasts, joint tests and slopes by emmeans: nested factors, weights, empty cells, every method and
# adjustment, transformed responses.
#   Rscript tests/reference/make_means.R        writes means.json beside this file
# The control plus factorial and the trial of genotypes in years are made up; the script has their numbers.
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite)})
suppressPackageStartupMessages(data(Oats, package = "nlme"))
emm_options(lmer.df = "satterthwaite", msg.interaction = FALSE, msg.nesting = FALSE)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore",
                     check.rankX = "silent.drop.cols")
plain <- function(data) as.data.frame(lapply(as.data.frame(data), function(x) if (is.factor(x)) as.character(x) else x))

# A smooth sequence in place of random numbers, the same on every machine.
logit <- function(p) log(p / (1 - p))
noise <- function(n, by) sin(by * seq_len(n)^2 + seq_len(n))
oats <- within(as.data.frame(Oats), {nitro <- factor(paste0("n", 10 * nitro)); Variety <- factor(as.character(Variety))
  Block <- factor(as.character(Block))})
cake2 <- within(as.data.frame(cake), {temperature <- factor(as.character(temperature)); recipe <- factor(as.character(recipe))
  replicate <- factor(as.character(replicate))})
control <- rbind(data.frame(trt = "ctl", form = "none", dose = "d0"),
                 expand.grid(trt = "trt", form = c("A", "B", "C"), dose = c("d1", "d2"), stringsAsFactors = FALSE))
control <- do.call(rbind, lapply(1:6, function(b) cbind(control, block = paste0("b", b))))
control <- within(control, y <- round(40 + 3 * (trt == "trt") + (form == "B") + 2 * (form == "C") + (dose == "d2") +
                                      c(-1, 0.5, 0, 1, -0.5, 0.3)[as.integer(factor(block))] + noise(42, 0.7), 3))
uneven <- control[-c(3, 9, 10, 17, 23, 24, 30), ]
trial <- expand.grid(year = c("y1", "y2", "y3"), line = 1:4, rep = c("r1", "r2", "r3"), stringsAsFactors = FALSE)
trial <- subset(trial, !(line == 4 & year != "y2"))
trial <- within(trial, {genotype <- paste0(year, "g", line); site <- ifelse(noise(length(line), 1.3) > 0.2, "n", "s")
  x <- round(noise(length(line), 2.1), 3); y <- round(5 + line + 0.7 * x + as.integer(factor(year)) + noise(length(line), 0.3), 3)})
holes <- subset(cake2, !(recipe == "B" & temperature %in% c("215", "225")) & replicate %in% as.character(1:8))
lopsided <- oats[-c(1, 2, 3, 14, 15, 27, 40, 41, 55, 60, 66), ]
slopes <- within(as.data.frame(Oats), {dose <- nitro + round(0.05 * noise(72, 0.9), 3); Variety <- factor(as.character(Variety))
  Block <- factor(as.character(Block)); nitro <- NULL})

python <- function(...) { a <- Filter(Negate(is.null), list(...)); if (length(a)) a else setNames(list(), character(0)) }
grid_of <- function(fit, a) {
  extra <- list(weights = if (is.null(a$weights)) "equal" else a$weights, lmer.df = if (is.null(a$ddf)) "satterthwaite" else a$ddf)
  base <- list(object = fit, specs = unlist(a$factors), by = unlist(a$by), at = a$at)
  if (is.null(a$slope_of)) return(do.call(emmeans, c(base, extra)))
  do.call(emtrends, c(base, list(var = a$slope_of, lmer.df = extra$lmer.df)))
}
numbers <- function(frame, names) {
  frame <- as.data.frame(frame)
  lapply(Filter(function(n) n %in% names(frame), setNames(nm = names)), function(n) as.numeric(frame[[n]]))
}
scale_of <- function(a) list(type = if (is.null(a$type)) "link" else a$type)
means <- function(fit, factors, ...) {
  a <- python(factors = as.list(factors), ...)
  bias <- if (is.null(a$bias_adjust)) list() else list(bias.adjust = TRUE, sigma = a$sigma)
  found <- as.data.frame(do.call(summary, c(list(grid_of(fit, a), infer = c(TRUE, FALSE)), scale_of(a), bias)))
  estimate <- setdiff(names(found)[sapply(found, is.numeric)], c("SE", "df", "lower.CL", "upper.CL", names(a$at)))[1]
  own <- setNames(nm = intersect(names(found), c(all_factors, unlist(a$factors), unlist(a$by))))
  list(call = "marginal_means", arguments = a, levels = lapply(own, function(n) as.character(found[[n]])),
       numbers = list(estimate = found[[estimate]], se = found$SE, df = found$df, lower = found$lower.CL, upper = found$upper.CL))
}
contrasts_of <- function(fit, factors, method, emmeans = list(), ...) {
  a <- python(factors = as.list(factors), method = method, ...)
  adjust <- if (is.null(a$adjust)) NULL else if (a$adjust == "dunnett") "mvt" else a$adjust
  r <- c(list(object = grid_of(fit, a)), if (is.null(emmeans$interaction)) list(method = if (is.null(emmeans$method)) method else emmeans$method), emmeans)
  made <- do.call(contrast, r[!duplicated(names(r))])
  tests <- Filter(Negate(is.null), list(adjust = adjust, side = emmeans_side[[if (is.null(a$side)) "two-sided" else a$side]], delta = a$delta, null = a$null))
  set.seed(1)
  found <- suppressMessages(as.data.frame(do.call(summary, c(list(made, infer = c(FALSE, TRUE)), tests, scale_of(a)))))
  limits <- suppressMessages(as.data.frame(do.call(summary, c(list(made, infer = c(TRUE, FALSE)), tests, scale_of(a)))))
  estimate <- intersect(c("estimate", "ratio", "odds.ratio"), names(found))
  values <- list(estimate = found[[estimate]], se = found$SE, df = found$df, t = found$t.ratio, p = found$p.value,
                 lower = limits$lower.CL, upper = limits$upper.CL)
  is_there <- if (is.null(found$contrast)) TRUE else found$contrast != "(nothing)"
  list(call = "contrasts", arguments = a, column = sub(".", "_", estimate, fixed = TRUE),
       numbers = lapply(values, function(v) v[is_there]))
}
emmeans_side <- list("two-sided" = 0, ">" = 1, "<" = -1, equivalence = 0, noninferiority = 1, nonsuperiority = -1)
joint <- function(fit, ...) {
  a <- python(...)
  emm_options(lmer.df = if (is.null(a$ddf)) "satterthwaite" else a$ddf)
  found <- as.data.frame(do.call(joint_tests, c(list(fit), a[names(a) != "ddf"])))
  emm_options(lmer.df = "satterthwaite")
  list(call = "joint_tests", arguments = a, terms = I(found[["model term"]]),
       numbers = list(num_df = found$df1, den_df = found$df2, F = found$F.ratio, p = found$p.value))
}
all_factors <- c("trt", "form", "dose", "year", "genotype", "site", "recipe", "temperature", "Variety", "nitro")
fit <- function(formula, data) eval(bquote(lmerTest::lmer(.(formula), data, control = tight)))
record <- function(name, data, formula, written, ...) {
  model <- fit(formula, data)
  list(name = name, formula = written, frame = plain(data), calls = lapply(list(...), function(f) f(model)))
}
call_of <- function(f, ...) { given <- list(...); function(model) do.call(f, c(list(model), given)) }
schemes <- c("equal", "proportional", "outer", "cells", "flat")
every <- function(values, make) lapply(values, make)

models <- list(
  do.call(record, c(list("control", uneven, y ~ trt + form * dose + (1 | block), "y ~ trt + form * dose + (1 | block)"),
    every(schemes, function(w) call_of(means, "form", weights = w)), every(schemes, function(w) call_of(means, "trt", weights = w)),
    list(call_of(means, c("form", "dose")), call_of(means, "form", by = "trt", ddf = "kenward-roger"),
         call_of(contrasts_of, "form", "pairwise"), call_of(contrasts_of, "form", "pairwise", by = "trt"),
         call_of(contrasts_of, "form", "trt.vs.ctrl", adjust = "dunnett"), call_of(contrasts_of, "trt", "pairwise")))),
  do.call(record, c(list("trial", trial, y ~ year + genotype + site + x + (1 | rep), "y ~ year + genotype + site + x + (1 | rep)"),
    every(schemes, function(w) call_of(means, "year", weights = w)), every(schemes, function(w) call_of(means, "site", weights = w)),
    list(call_of(means, "genotype"), call_of(means, c("genotype", "site")), call_of(contrasts_of, "genotype", "pairwise", by = "year"),
         call_of(contrasts_of, "year", "eff"), call_of(joint)))),
  do.call(record, c(list("holes", holes, angle ~ recipe * temperature + (1 | recipe:replicate), "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    every(schemes, function(w) call_of(means, "temperature", weights = w)),
    list(call_of(means, "recipe", by = "temperature"), call_of(contrasts_of, "temperature", "consec", by = "recipe", adjust = "holm"),
         call_of(contrasts_of, "recipe", "pairwise", weights = "cells"), call_of(joint), call_of(joint, by = "recipe"),
         call_of(joint, by = "temperature")))),
  do.call(record, c(list("lopsided", lopsided, yield ~ Variety * nitro + (1 | Block / Variety), "yield ~ Variety * nitro + (1 | Block/Variety)"),
    every(schemes, function(w) call_of(means, "Variety", weights = w)),
    every(c("pairwise", "revpairwise", "consec", "mean_chg", "poly", "trt.vs.ctrl", "trt.vs.ctrlk", "eff", "del.eff", "identity"),
          function(m) call_of(contrasts_of, "nitro", m, adjust = "none", ddf = "kenward-roger")),
    every(c("tukey", "scheffe", "sidak", "bonferroni", "mvt", "holm", "hommel", "fdr", "hochberg"),
          function(a) call_of(contrasts_of, "nitro", "pairwise", adjust = a)),
    every(c("scheffe", "sidak", "bonferroni", "mvt", "holm", "hommel", "fdr"),
          function(a) call_of(contrasts_of, "nitro", "trt.vs.ctrl", adjust = a)),
    every(c(">", "<"), function(s) call_of(contrasts_of, "nitro", "trt.vs.ctrl", side = s, adjust = "none")),
    every(c(">", "<"), function(s) call_of(contrasts_of, "nitro", "consec", side = s)),
    every(c("equivalence", "noninferiority", "nonsuperiority"),
          function(s) call_of(contrasts_of, "nitro", "pairwise", side = s, delta = 15, adjust = "sidak")),
    list(call_of(contrasts_of, "nitro", "trt.vs.ctrl", emmeans = list(ref = 3), ref = "n4", adjust = "mvt"),
         call_of(contrasts_of, "nitro", "pairwise", null = 5, adjust = "none"),
         call_of(contrasts_of, c("Variety", "nitro"), "pairwise", emmeans = list(interaction = "pairwise"), interaction = "pairwise"),
         call_of(contrasts_of, c("Variety", "nitro"), "pairwise", emmeans = list(interaction = c("pairwise", "poly")), interaction = c("pairwise", "poly")),
         call_of(contrasts_of, "nitro", "consec", by = "Variety", adjust = "sidak"),
         call_of(joint), call_of(joint, by = "nitro"), call_of(joint, ddf = "kenward-roger")))),
  do.call(record, c(list("oats", oats, yield ~ Variety + nitro + (1 | Block / Variety), "yield ~ Variety + nitro + (1 | Block/Variety)"),
    list(call_of(means, "nitro"), call_of(means, "Variety", ddf = "kenward-roger"), call_of(contrasts_of, "nitro", "poly"),
         call_of(contrasts_of, "nitro", "trt.vs.ctrl", adjust = "dunnett"), call_of(joint)))),
  do.call(record, c(list("cake", cake2, angle ~ recipe * temperature + (1 | recipe:replicate), "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    list(call_of(means, "temperature"), call_of(contrasts_of, "temperature", "poly", by = "recipe"), call_of(joint),
         call_of(contrasts_of, "recipe", "pairwise", by = "temperature", adjust = "bonferroni")))),
  do.call(record, c(list("slopes", slopes, yield ~ Variety * dose + (1 | Block / Variety), "yield ~ Variety * dose + (1 | Block/Variety)"),
    list(call_of(means, "Variety", slope_of = "dose"), call_of(contrasts_of, "Variety", "pairwise", slope_of = "dose"),
         call_of(contrasts_of, "Variety", "eff", slope_of = "dose", ddf = "kenward-roger"),
         call_of(means, "Variety", by = "dose", at = list(dose = c(0.1, 0.5))), call_of(joint), call_of(joint, by = "Variety")))),
  do.call(record, c(list("log", lopsided, log(yield) ~ Variety * nitro + (1 | Block / Variety), "log(yield) ~ Variety * nitro + (1 | Block/Variety)"),
    list(call_of(means, "nitro", type = "response"), call_of(means, "nitro", type = "response", bias_adjust = TRUE, sigma = 0.2),
         call_of(contrasts_of, "nitro", "pairwise", type = "response", adjust = "sidak"), call_of(contrasts_of, "nitro", "eff", type = "response")))),
  do.call(record, c(list("log10", lopsided, log10(yield + 5) ~ Variety * nitro + (1 | Block / Variety), "log10(yield + 5) ~ Variety * nitro + (1 | Block/Variety)"),
    list(call_of(means, "nitro", type = "response"), call_of(contrasts_of, "nitro", "consec", type = "response", adjust = "none")))),
  do.call(record, c(list("sqrt", lopsided, sqrt(yield) ~ Variety * nitro + (1 | Block / Variety), "sqrt(yield) ~ Variety * nitro + (1 | Block/Variety)"),
    list(call_of(means, "nitro", type = "response"), call_of(means, "nitro", type = "response", bias_adjust = TRUE, sigma = 1.2),
         call_of(contrasts_of, "nitro", "pairwise", type = "response", adjust = "holm")))),
  do.call(record, c(list("logit", within(lopsided, p <- yield / 200), logit(p) ~ Variety * nitro + (1 | Block / Variety),
                         "log(p / (1 - p)) ~ Variety * nitro + (1 | Block/Variety)"),
    list(call_of(means, "nitro", type = "response"), call_of(contrasts_of, "nitro", "trt.vs.ctrl", type = "response", adjust = "none"))))
)
versions <- lapply(setNames(nm = c("lme4", "lmerTest", "pbkrtest", "emmeans", "mvtnorm")), function(p) as.character(packageVersion(p)))
versions$R <- as.character(getRversion())
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, models = models), file.path(folder, "means.json"), digits = I(12), auto_unbox = TRUE,
           null = "null", na = "null", dataframe = "columns")
