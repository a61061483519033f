# What R's read.csv makes of small files: each column's class and its values, NA for missing.
#   Rscript make_read_csv.R > read_csv.json
column <- function(...) paste0("a,g\n", paste0("1,", c(...), "\n", collapse = ""))
texts <- list(
  "words in a text column" = column("None", "NULL", "null", "n/a", "N/A", "#N/A", "<NA>", "-", "?", ".", "NaN", "nan", ""),
  "NA in a text column" = column("a", "NA", "b"), "quoted NA" = column("\"NA\"", "b"), "blank and NA" = column("a", " NA", "NA ", "NA"),
  "empty text" = column("a", "", "b"), "blanks in text" = column("a", "  ", "b"), "quoted empty text" = column("\"\"", "b"),
  "leading and trailing blanks" = column("a", " b", "b ", "b"), "case" = column("a", "A"),
  "empty number" = column("1", "", "3"), "blank number" = column("1", "  ", "3"), "quoted empty number" = column("\"\"", "2"),
  "NA number" = column("1", "NA", "2.5"), "quoted NA number" = column("\"NA\"", "1"), "blanks around numbers" = column("1", " 2 ", "3"),
  "nan" = column("1", "nan"), "NaN" = column("1", "NaN"), "NAN" = column("1", "NAN"), "all NaN" = column("NaN", "NaN"),
  "inf" = column("1", "inf"), "-Inf" = column("1", "-Inf"), "INF" = column("1", "INF"), "infinity" = column("1", "infinity"),
  "all empty" = column("", ""), "all NA" = column("NA", "NA"), "NA and empty" = column("NA", ""),
  "quoted numbers" = column("\"1\"", "2"), "hexadecimal" = column("0x1A", "2"), "exponents" = column("1e5", "2E-3"), "d for e" = column("1d5", "2"),
  "points" = column("1.", ".5"), "sign" = column("+1", "-2"), "leading zeros" = column("007", "01"), "underscore" = column("1_000", "2"), "suffix L" = column("1L", "2"),
  "word among numbers" = column("1", "None"), "dash among numbers" = column("1", "-"), "point among numbers" = column("1", "."),
  "thousands" = column("\"5,011\"", "\"4,000\""), "decimal comma" = column("\"5,1\"", "\"4,25\""), "unit" = column("5 kg", "3 kg"), "percent" = column("50%", "3%"),
  "dates" = column("2020-01-01", "2021-02-03"), "T and F" = column("T", "F"), "TRUE and FALSE" = column("TRUE", "FALSE"), "true and false" = column("true", "false"),
  "logical, NA, empty" = column("T", "NA", ""), "t and f" = column("t", "f"), "blank before F" = column("T", " F"), "True and False" = column("True", "False"),
  "complex" = column("1+2i", "3+0i"),
  "blank lines" = "a,g\n\n1,2\n\n3,4\n\n", "no end of line" = "a,g\n1,2\n3,4", "Windows lines" = "a,g\r\n1,x\r\n2,y\r\n", "old Mac lines" = "a,g\r1,x\r2,y\r",
  "short row of text" = "a,g,h\n1,x\n2,y,z\n", "short row of numbers" = "a,g,h\n1\n2,3,4\n", "long row" = "a,g\n1,2\n3,4,5\n",
  "row names of write.table" = "\"a\",\"g\"\n\"1\",2,x\n\"2\",4,y\n", "row names of write.csv" = "\"\",\"a\",\"g\"\n\"1\",2,\"x\"\n\"2\",4,\"y\"\n",
  "separator at each end" = "a,g,\n1,2,\n3,4,\n", "separator at the end of rows" = "a,g\n1,2,\n3,4,\n", "a name twice" = "a,a\n1,2\n",
  "doubled quotes" = "a,g\n1,\"he said \"\"x\"\"\"\n2,b\n", "new line in quotes" = "a,g\n1,\"x\ny\"\n2,z\n", "apostrophe" = "a,g\n1,it's\n2,b\n",
  "separator in quotes" = "a,g\n1,\"x,y\"\n2,z\n", "blank behind separators" = "a, g\n1, x\n2, z\n", "comment line" = "# made\na,g\n1,2\n",
  "number sign in cells" = "a,g\n1,2 # x\n#3,4\n", "byte order mark" = "\xef\xbb\xbfa,g\n1,x\n", "line sep=;" = "sep=;\na;g\n1;2\n", "semicolons" = "a;g\n1;2\n"
)
read <- function(text) {
  file <- tempfile(fileext = ".csv")
  writeBin(charToRaw(text), file)
  table <- tryCatch(suppressWarnings(read.csv(file)), error = function(e) conditionMessage(e))
  if (is.character(table)) return(list(text = jsonlite::unbox(text), error = jsonlite::unbox(table)))
  values <- lapply(table, function(x) if (is.numeric(x)) ifelse(is.na(x), NA, sprintf("%.17g", x)) else as.character(x))
  list(text = jsonlite::unbox(text), classes = unname(vapply(table, function(x) class(x)[1], "")), values = values)
}
invisible(Sys.setlocale("LC_ALL", "C.UTF-8"))
found <- list(R = jsonlite::unbox(paste(R.version$major, R.version$minor, sep = ".")), files = lapply(texts, read))
cat(jsonlite::toJSON(found, na = "null", pretty = 1), "\n")
