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
