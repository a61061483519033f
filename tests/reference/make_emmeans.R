# Records marginal means, contrasts and slopes by emmeans, with both methods for the degrees of freedom.
#   Rscript tests/reference/make_emmeans.R        writes emmeans.json beside this file
# Fits stop at tight tolerances, so that what is recorded is the optimum's. warpbreaks (R's datasets; Tippett 1950) has
# its replicate within each cell taken for a block.
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite)})
suppressPackageStartupMessages(data(Oats, Orthodont, Machines, ergoStool, package = "nlme"))
emm_options(lmerTest.limit = 1e5, pbkrtest.limit = 1e5, msg.interaction = FALSE)

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore")
warp <- within(warpbreaks, loom <- factor(rep(1:9, 6)))
plain <- function(data) as.data.frame(lapply(as.data.frame(data), function(x) if (is.factor(x)) as.character(x) else x))
uneven <- function(data) data[(seq_len(nrow(data)) * 7) %% 11 != 0, ]
# name, data, formula in R and in Python, data frame; then calls: factors, by, at, slope
models <- list(
  list("oats", "Oats", yield ~ Variety + factor(nitro) + (1 | Block / Variety),
       "yield ~ Variety + C(nitro) + (1|Block/Variety)", Oats,
       list(list(f = "nitro"), list(f = "Variety"), list(f = c("Variety", "nitro")))),
  list("oats_interaction", "Oats", yield ~ Variety * factor(nitro) + (1 | Block / Variety),
       "yield ~ Variety * C(nitro) + (1|Block/Variety)", uneven(Oats),
       list(list(f = "nitro"), list(f = "nitro", by = "Variety"), list(f = "Variety", at = list(nitro = c(0, 0.6))))),
  list("oats_line", "Oats", yield ~ Variety * nitro + (1 | Block / Variety),
       "yield ~ Variety * nitro + (1|Block/Variety)", Oats,
       list(list(f = "Variety"), list(f = "Variety", slope = "nitro"),
            list(f = "nitro", by = "Variety", at = list(nitro = c(0.1, 0.5))))),
  list("warp", NULL, breaks ~ wool * tension + (1 | loom), "breaks ~ wool * tension + (1|loom)", warp,
       list(list(f = "tension"), list(f = "tension", by = "wool"), list(f = c("wool", "tension")))),
  list("warp_uneven", NULL, breaks ~ wool * tension + (1 | loom), "breaks ~ wool * tension + (1|loom)", uneven(warp),
       list(list(f = "wool"), list(f = "wool", by = "tension"))),
  list("cake", "cake", angle ~ recipe * temperature + (1 | recipe:replicate),
       "angle ~ recipe * temperature + (1|recipe:replicate)", uneven(cake),
       list(list(f = "recipe"), list(f = "temperature"), list(f = "recipe", by = "temperature"))),
  list("sleepstudy", "sleepstudy", Reaction ~ Days + (Days | Subject), "Reaction ~ Days + (Days|Subject)",
       uneven(sleepstudy), list(list(f = "Days", at = list(Days = c(0, 5, 9))), list(f = "Days"))),
  list("orthodont", "Orthodont", distance ~ age * Sex + (age | Subject), "distance ~ age * Sex + (age|Subject)",
       uneven(as.data.frame(Orthodont)),
       list(list(f = "Sex"), list(f = "Sex", slope = "age"), list(f = "Sex", by = "age", at = list(age = c(8, 14))))),
  list("machines", "Machines", score ~ Machine + (1 | Worker) + (1 | Worker:Machine),
       "score ~ Machine + (1|Worker) + (1|Worker:Machine)", uneven(as.data.frame(Machines)), list(list(f = "Machine"))),
  list("ergo_stool", "ergoStool", effort ~ Type + (1 | Subject), "effort ~ Type + (1|Subject)",
       uneven(as.data.frame(ergoStool)), list(list(f = "Type")))
)
columns <- function(frame, names) {
  found <- as.data.frame(frame)
  setNames(lapply(names, function(n) as.numeric(found[[n]])), names)
}
call_one <- function(fit, data, call, mode) {
  specs <- call$f
  grid <- if (is.null(call$slope)) {
    emmeans(fit, specs, by = call$by, at = call$at, lmer.df = mode, data = data)
  } else {
    emtrends(fit, specs, var = call$slope, by = call$by, at = call$at, lmer.df = mode, data = data)
  }
  means <- as.data.frame(summary(grid, infer = c(TRUE, FALSE)))
  estimate <- if (is.null(call$slope)) "emmean" else paste0(call$slope, ".trend")
  out <- list(ddf = mode, factors = I(call$f), by = call$by, at = call$at, slope = call$slope,
              levels = lapply(means[c(call$f, call$by)], as.character),
              emmean = means[[estimate]], se = means$SE, df = means$df, lower = means$lower.CL, upper = means$upper.CL)
  if (nrow(means) > 1 && (is.null(call$by) || nrow(means) > length(unique(means[[call$by]])))) {
    pairs <- pairs(grid)
    frame <- as.data.frame(summary(pairs, adjust = "none"))
    p <- lapply(setNames(nm = c("none", "tukey", "holm", "bonferroni", "sidak", "fdr")),
                function(a) as.data.frame(suppressMessages(summary(pairs, adjust = a)))$p.value)
    limits <- lapply(setNames(nm = c("none", "tukey", "bonferroni", "sidak")), function(a) {
      found <- as.data.frame(suppressMessages(confint(pairs, adjust = a)))
      list(lower = found$lower.CL, upper = found$upper.CL)
    })
    out$pairs <- list(limits = limits, estimate = frame$estimate, se = frame$SE, df = frame$df, t = frame$t.ratio, p = p,
                      contrast = as.character(frame$contrast))
    methods <- c(reference = "trt.vs.ctrl1", sequential = "consec", effects = "eff")
    out$contrasts <- lapply(methods, function(m) {
      found <- as.data.frame(summary(contrast(grid, m), adjust = "none"))
      list(estimate = found$estimate, se = found$SE, df = found$df)
    })
  }
  out
}
record <- function(m) {
  fit <- eval(bquote(lmerTest::lmer(.(m[[3]]), m[[5]], control = tight)))
  calls <- list()
  for (mode in c("satterthwaite", "kenward-roger")) {
    calls <- c(calls, lapply(m[[6]], function(call) call_one(fit, m[[5]], call, mode)))
  }
  list(name = m[[1]], data = m[[2]], formula = m[[4]], rows = nrow(m[[5]]),
       frame = if (is.null(m[[2]])) plain(m[[5]]), calls = calls)
}
versions <- lapply(setNames(nm = c("lme4", "lmerTest", "pbkrtest", "emmeans")), function(p) as.character(packageVersion(p)))
versions$R <- as.character(getRversion())
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, models = lapply(models, record)), file.path(folder, "emmeans.json"),
           digits = 15, auto_unbox = TRUE, pretty = TRUE, null = "null", dataframe = "columns")
