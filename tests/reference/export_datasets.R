# Write public data sets of lme4, nlme and rstanarm as CSV files, with a schema beside them.
#
# Run from anywhere:  Rscript tests/reference/export_datasets.R
#
# Each CSV holds R's rows and columns in R's order. Factors are written as their
# labels; schema.json keeps what a CSV cannot: the order of the levels, whether they
# are ordered, and whether a number is an integer or a double in R. Every file is
# read back and compared with the data in memory before the script reports success.

suppressPackageStartupMessages({
  library(lme4)
  library(nlme)
  library(jsonlite)
})

script_dir <- function() {
  flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  if (length(flag) != 1L) stop("run this script with Rscript")
  dirname(normalizePath(sub("^--file=", "", flag)))
}

out_dir <- file.path(script_dir(), "..", "..", "lmmtools", "datasets", "data")
dir.create(out_dir, showWarnings = FALSE, recursive = TRUE)

exported <- list(
  lme4 = c("Dyestuff", "Dyestuff2", "Penicillin", "Pastes", "sleepstudy", "cake", "InstEval"),
  nlme = c("ergoStool", "Machines", "Oats", "Orthodont", "Oxide", "Rail", "RatPupWeight", "MathAchieve"),
  rstanarm = "radon"
)
compressed <- c("InstEval", "MathAchieve")

# The data of a package, read from its folder: rstanarm need not be loaded, and Stan not be there.
packaged_data <- function(name, package) {
  found <- new.env()
  if (package == "rstanarm") {
    lazyLoad(file.path(system.file("data", package = package, mustWork = TRUE), "Rdata"), envir = found)
  } else {
    found[[name]] <- getExportedValue(package, name)
  }
  data <- as.data.frame(found[[name]])
  # Levels may have names, which no CSV keeps.
  for (column in names(data)) if (is.factor(data[[column]])) levels(data[[column]]) <- unname(levels(data[[column]]))
  data
}

# The fewest digits, from 15 up, that read back as the very same doubles.
shortest_text <- function(x) {
  for (digits in 15:17) {
    text <- vapply(x, format, "", digits = digits, trim = TRUE)
    if (identical(as.numeric(text), as.numeric(x))) return(text)
  }
  stop("no exact decimal text")
}

column_kind <- function(x) {
  if (is.ordered(x)) "ordered"
  else if (is.factor(x)) "factor"
  else if (is.integer(x)) "integer"
  else if (is.double(x)) "double"
  else stop("unexpected column type ", class(x)[1])
}

column_schema <- function(name, x) {
  entry <- list(name = unbox(name), kind = unbox(column_kind(x)))
  if (is.factor(x)) entry$levels <- levels(x)
  entry
}

column_text <- function(x) {
  if (is.double(x) && !is.factor(x)) shortest_text(x) else as.character(x)
}

rebuild_column <- function(text, entry) {
  switch(as.character(entry$kind),
    ordered = factor(text, levels = entry$levels, ordered = TRUE),
    factor = factor(text, levels = entry$levels),
    integer = as.integer(text),
    double = as.numeric(text)
  )
}

export_one <- function(name, package) {
  data <- packaged_data(name, package)
  if (anyNA(data)) stop(name, " has missing values; the format here has none")
  columns <- Map(column_schema, names(data), data)
  text <- as.data.frame(lapply(data, column_text), check.names = FALSE)
  file <- paste0(name, if (name %in% compressed) ".csv.gz" else ".csv")
  path <- file.path(out_dir, file)
  connection <- if (name %in% compressed) gzfile(path, "wb", compression = 9) else file(path, "wb")
  write.table(text, connection, sep = ",", quote = FALSE, row.names = FALSE, eol = "\n")
  close(connection)

  back <- read.csv(path, colClasses = "character", check.names = FALSE)
  for (entry in columns) {
    original <- data[[as.character(entry$name)]]
    attributes(original) <- attributes(original)[c("levels", "class")]
    attr(original, "contrasts") <- NULL
    rebuilt <- rebuild_column(back[[as.character(entry$name)]], entry)
    if (!identical(rebuilt, original)) stop(name, "$", entry$name, " does not survive the file")
  }
  list(
    file = unbox(file), package = unbox(package), rows = unbox(nrow(data)),
    columns = unname(columns)
  )
}

datasets <- list()
for (package in names(exported)) {
  for (name in exported[[package]]) {
    datasets[[name]] <- export_one(name, package)
    cat(sprintf("%-10s %6d rows\n", name, as.integer(datasets[[name]]$rows)))
  }
}

schema <- list(
  versions = list(
    R = unbox(as.character(getRversion())),
    lme4 = unbox(as.character(packageVersion("lme4"))),
    nlme = unbox(as.character(packageVersion("nlme"))),
    rstanarm = unbox(as.character(packageVersion("rstanarm")))
  ),
  datasets = datasets
)
json <- toJSON(schema, pretty = FALSE)
# One line per column keeps the file short to read and easy to diff.
json <- gsub('\\{"name"', '\n      {"name"', json)
json <- gsub('("[A-Za-z0-9]+":\\{"file")', "\n    \\1", json)
json <- gsub('"datasets"', '\n  "datasets"', json)
writeLines(json, file.path(out_dir, "schema.json"))
