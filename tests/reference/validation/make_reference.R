# Reference numbers for models/meta_analysis.py and models/optimism.py, from R.
#
#   cd tests/reference/validation && Rscript make_reference.R
#
# Made with R 4.2.2, metafor 3.8.1, rms 6.5.0, pROC 1.18.0, as packaged by Debian 12:
#   apt-get install --no-install-recommends r-base-core r-cran-metafor r-cran-rms r-cran-proc
# Every row names its tool and version. Nobody needs R to run the tests.
#
# centres.csv       invented figures of centres: alike, apart, unequal in size, three only
# pooled.csv        their random-effects meta-analysis by metafor
# cases.csv         invented cases, one a patient, with four predictors; the last two know nothing
# draws.csv         which cases each of 40 resamples drew, counted from 0, a column a resample
# optimism.csv      the bootstrap over exactly these resamples, written out in R with unpenalised fits
# optimism_rms.csv  rms::validate with 2,000 resamples of its own, to be agreed with up to chance

suppressPackageStartupMessages({ library(metafor); library(rms); library(pROC) })
options(digits = 15)

version <- function(package) paste(package, as.character(packageVersion(package)))
base_r <- paste0("R ", R.version$major, ".", R.version$minor)
write_table <- function(table, path) {
  numeric <- vapply(table, is.double, logical(1))
  table[numeric] <- lapply(table[numeric], signif, digits = 12)
  write.csv(table, path, row.names = FALSE, quote = FALSE, na = "")
}

# ---- meta-analysis -----------------------------------------------------------------------------------

invent_centres <- function() {
  set.seed(20240311)
  centres <- function(set, k, tau, sizes) {
    se <- 1 / sqrt(sizes)
    data.frame(set = set, centre = LETTERS[seq_len(k)], estimate = round(rnorm(k, 1, sqrt(tau^2 + se^2)), 6),
               standard_error = round(se, 6))
  }
  rbind(centres("alike", 6, 0, rep(120, 6)),
        centres("apart", 8, 0.4, rep(100, 8)),
        centres("unequal", 10, 0.15, c(9, 16, 25, 40, 60, 100, 250, 600, 1500, 4000)),
        centres("three", 3, 0.2, c(50, 80, 200)),
        data.frame(set = "identical", centre = LETTERS[1:4], estimate = 1, standard_error = c(0.1, 0.2, 0.1, 0.3)))
}

# By both tests: "knha" is Hartung and Knapp's, "adhoc" the same with their remedy where centres are closer
# together than chance alone would have them. They differ where tau is 0, and nowhere else.
pooled_rows <- function(set, centres, test) {
  # Paule and Mandel's estimator, iterated to the same tolerance as ours.
  fit <- rma(centres$estimate, sei = centres$standard_error, method = "PM", test = test,
             control = list(tol = 1e-12, maxiter = 1000))
  expected <- predict(fit)
  data.frame(set = set, test = test, estimate = fit$b[1], lower = fit$ci.lb, upper = fit$ci.ub,
             prediction_lower = expected$pi.lb, prediction_upper = expected$pi.ub,
             tau = sqrt(fit$tau2), i_squared = fit$I2 / 100, tool = version("metafor"))
}

# ---- optimism ----------------------------------------------------------------------------------------

PREDICTORS <- c("odi", "nrs_back", "age_years", "bmi")
RESAMPLES <- 40

invent_cases <- function() {
  set.seed(20240312)
  n <- 150
  cases <- data.frame(odi = round(runif(n, 20, 80)), nrs_back = sample(0:10, n, replace = TRUE),
                      age_years = round(rnorm(n, 55, 12)), bmi = round(rnorm(n, 27, 4), 1))
  cases$y <- rbinom(n, 1, plogis(-2.5 + 0.03 * cases$odi + 0.1 * cases$nrs_back))
  cases
}

unpenalised <- function(cases)
  glm(y ~ odi + nrs_back + age_years + bmi, binomial, cases, control = glm.control(epsilon = 1e-14, maxit = 100))

measures <- function(y, log_odds) {
  risk <- plogis(log_odds)
  tight <- glm.control(epsilon = 1e-14, maxit = 100)
  smooth <- lowess(risk, y, iter = 0)
  error <- abs(approx(smooth$x, smooth$y, risk, ties = list("ordered", mean))$y - risk)
  c(auroc = as.numeric(auc(roc(y, risk, quiet = TRUE, direction = "<", levels = 0:1))),
    calibration_intercept = unname(coef(glm(y ~ 1, binomial, offset = log_odds, control = tight))),
    calibration_slope = unname(coef(glm(y ~ log_odds, binomial, control = tight))[2]),
    brier_score = mean((risk - y)^2), ici = mean(error), e90 = quantile(error, 0.9, names = FALSE))
}

optimism_rows <- function(cases, draws) {
  whole <- unpenalised(cases)
  apparent <- measures(cases$y, predict(whole, cases))
  optimism <- vapply(draws, function(drawn) {
    resample <- cases[drawn + 1, ]
    fit <- unpenalised(resample)
    measures(resample$y, predict(fit, resample)) - measures(cases$y, predict(fit, cases))
  }, apparent)
  data.frame(metric = names(apparent), apparent = apparent, optimism = rowMeans(optimism),
             corrected = apparent - rowMeans(optimism), tool = paste0(base_r, " glm and lowess; ", version("pROC")))
}

rms_rows <- function(cases, b = 2000) {
  set.seed(20240313)
  fit <- lrm(y ~ odi + nrs_back + age_years + bmi, cases, x = TRUE, y = TRUE)
  found <- validate(fit, B = b)
  data.frame(metric = c("auroc", "calibration_slope", "brier_score"),
             apparent = c(found["Dxy", "index.orig"] / 2 + 0.5, found[c("Slope", "B"), "index.orig"]),
             corrected = c(found["Dxy", "index.corrected"] / 2 + 0.5, found[c("Slope", "B"), "index.corrected"]),
             resamples = b, tool = paste(version("rms"), "validate"))
}

write_table(invent_centres(), "centres.csv")
centres <- read.csv("centres.csv")
by_set <- split(centres, factor(centres$set, unique(centres$set)))
write_table(rbind(do.call(rbind, Map(pooled_rows, names(by_set), by_set, "adhoc")),
                  do.call(rbind, Map(pooled_rows, names(by_set), by_set, "knha"))), "pooled.csv")

write_table(invent_cases(), "cases.csv")
cases <- read.csv("cases.csv")
set.seed(20240314)
draws <- as.data.frame(replicate(RESAMPLES, sample(nrow(cases), replace = TRUE) - 1L))
names(draws) <- sprintf("resample_%02d", seq_len(RESAMPLES))
write_table(draws, "draws.csv")
write_table(optimism_rows(cases, read.csv("draws.csv")), "optimism.csv")
write_table(rms_rows(cases), "optimism_rms.csv")
