# lme4 in R: Rscript lme4.R TASK DATA.csv FORMULA factor,factor REPEATS BUDGET; prints one line of JSON.
suppressPackageStartupMessages(library(lme4))

arguments <- commandArgs(trailingOnly = TRUE)
task <- arguments[1]
formula <- as.formula(arguments[3])
factors <- strsplit(arguments[4], ",")[[1]]
repeats <- as.integer(arguments[5])
budget <- as.numeric(arguments[6])

data <- read.csv(arguments[2], colClasses = setNames(rep("character", length(factors)), factors))
for (name in factors) data[[name]] <- factor(data[[name]])

peak <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}
# The peak from here on, above what the data frame and the packages take: Linux alone tells it.
invisible(gc())
is_linux <- file.exists("/proc/self/clear_refs")
if (is_linux) try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
before <- if (is_linux) peak() else NA

quiet <- function(expression) suppressMessages(suppressWarnings(expression))

record <- function(fit) {
  # Modes without their conditional variances, as everybody else.
  list(fixef(fit), vcov(fit), VarCorr(fit), ranef(fit, condVar = FALSE))
  REMLcrit(fit)
}

run <- switch(task,
  fit = function() record(quiet(lmer(formula, data))),
  summary = function() {
    fit <- quiet(lmer(formula, data))
    capture.output(print(summary(fit)))
    REMLcrit(fit)
  },
  evaluation = {
    model <- lmer(formula, data)
    deviance_at <- getME(model, "devfun")
    theta <- 0.9 * getME(model, "theta")
    # Microseconds: many at once.
    function() { for (i in 1:20) deviance_at(theta); NA }
  },
  refit = {
    model <- lmer(formula, data)
    # Another response: the fitted values with the residuals in reverse.
    y <- fitted(model) + rev(residuals(model))
    function() REMLcrit(quiet(refit(model, y)))
  },
  bootstrap = {
    model <- lmer(formula, data)
    function() { quiet(bootMer(model, fixef, nsim = 1000, seed = 1)); NA }
  },
  # lmerTest, and pbkrtest through it.
  satterthwaite = {
    model <- quiet(lmer(formula, data))
    function() { coef(summary(lmerTest::as_lmerModLmerTest(model))); NA }
  },
  kenward_roger = {
    model <- quiet(lmerTest::as_lmerModLmerTest(lmer(formula, data)))
    function() { coef(summary(model, ddf = "Kenward-Roger")); NA }
  },
  profile = {
    model <- lmer(formula, data)
    function() { quiet(confint(profile(model))); NA }
  }
)
per_run <- if (task == "evaluation") 20 else 1

now <- function() proc.time()[["elapsed"]]
clock <- function() {
  start <- Sys.time()
  used <- proc.time()
  value <- run()
  used <- proc.time() - used
  list(
    seconds = as.numeric(Sys.time() - start, units = "secs") / per_run,
    cpu = (used[["user.self"]] + used[["sys.self"]]) / per_run,
    value = value
  )
}

first <- clock()
criterion <- first$value
seconds <- numeric(0)
cpu <- numeric(0)
started <- now()
while (first$seconds * per_run < budget && length(seconds) < repeats && now() - started < budget) {
  timed <- clock()
  criterion <- timed$value
  seconds <- c(seconds, timed$seconds)
  cpu <- c(cpu, timed$cpu)
}
if (length(seconds) == 0) {
  seconds <- first$seconds
  cpu <- first$cpu
}

number <- function(x) if (is.na(x)) "null" else sprintf("%.17g", x)
cat(sprintf(
  '{"criterion": %s, "first": %s, "seconds": [%s], "cpu": [%s], "median": %s, "peak_bytes": %s, "version": "%s (R %s)"}\n',
  number(criterion), number(first$seconds), paste(vapply(seconds, number, ""), collapse = ", "),
  paste(vapply(mean(cpu), number, ""), collapse = ", "), number(median(seconds)),
  number(if (is_linux) peak() - before else NA), packageVersion("lme4"), getRversion()
))
