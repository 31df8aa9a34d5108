# Reference numbers for models/metrics.py and the spline basis, from R.
#
#   cd tests/reference/metrics && Rscript make_reference.R
#
# Made with R 4.2.2, pROC 1.18.0, rms 6.5.0, Hmisc 4.8.0, sandwich 3.0.2, as packaged by Debian 12:
#   apt-get install --no-install-recommends r-base-core r-cran-rms r-cran-proc
# Every row of reference.csv names its tool and version. Nobody needs R to run the tests.
#
# cases.csv holds two invented test sets:
#   smooth  risks all different, as a logistic learner gives them; too extreme, and too high
#   ties    nine distinct risks only, as a shallow tree gives them; cases come in patients of 1 to 3

suppressPackageStartupMessages({ library(rms); library(pROC); library(sandwich) })
options(digits = 15)

version <- function(package) paste(package, as.character(packageVersion(package)))
base_r <- paste0("R ", R.version$major, ".", R.version$minor)
# The interval's limits are kept to 12 digits, so that a comparison to 1e-6 has room.
write_table <- function(table, path) {
  numeric <- vapply(table, is.double, logical(1))
  table[numeric] <- lapply(table[numeric], signif, digits = 12)
  write.csv(table, path, row.names = FALSE, quote = FALSE, na = "")
}

invent_cases <- function() {
  set.seed(20240229)
  n <- 600
  log_odds <- rnorm(n, -1, 1)
  y <- rbinom(n, 1, plogis(log_odds))
  smooth <- data.frame(set = "smooth", patient = seq_len(n), y = y,
                       risk = round(plogis(0.4 + 1.4 * log_odds), 6), other_risk = round(plogis(0.7 * log_odds), 6))
  n <- 900
  patient <- rep(seq_len(n), times = sample(1:3, n, replace = TRUE))[seq_len(n)]
  frailty <- rnorm(max(patient))[patient]
  risk <- sample(c(0.04, 0.07, 0.11, 0.16, 0.2, 0.27, 0.35, 0.48, 0.66), n, replace = TRUE,
                 prob = c(3, 4, 6, 6, 5, 4, 3, 2, 1))
  y <- rbinom(n, 1, plogis(0.2 + 0.8 * qlogis(risk) + 0.8 * frailty))
  ties <- data.frame(set = "ties", patient = patient, y = y, risk = risk,
                     other_risk = round(plogis(-1 + 0.5 * frailty), 6))
  rbind(smooth, ties)
}

reference_rows <- function(set, cases) {
  y <- cases$y; risk <- cases$risk; n <- length(y); logit <- qlogis(risk)
  row <- function(metric, estimate, lower = NA, upper = NA, tool = base_r)
    data.frame(set = set, metric = metric, estimate = unname(estimate), lower = unname(lower),
               upper = unname(upper), tool = tool)
  roc_curve <- roc(y, risk, quiet = TRUE, direction = "<", levels = c(0, 1))
  delong <- as.numeric(ci.auc(roc_curve, method = "delong"))
  tight <- glm.control(epsilon = 1e-14, maxit = 100)
  in_the_large <- glm(y ~ 1, offset = logit, family = binomial, control = tight)
  slope <- glm(y ~ logit, family = binomial, control = tight)
  ci_large <- confint.default(in_the_large); ci_slope <- confint.default(slope)["logit", ]
  harrell <- val.prob(risk, y, pl = FALSE)
  errors <- abs(risk - approx(lowess(risk, y, iter = 0), xout = risk, ties = mean)$y)
  wilson <- prop.test(sum(y), n, correct = FALSE)$conf.int
  mean_row <- function(metric, value, tool = paste(base_r, "lm")) {
    z <- confint.default(lm(value ~ 1)); row(metric, mean(value), z[1], z[2], tool) }
  benefit <- function(t) ifelse(risk >= t, ifelse(y == 1, 1, -t / (1 - t)), 0)
  avoided <- function(t) ifelse(risk < t, ifelse(y == 0, 1, -(1 - t) / t), 0) * 100
  loss <- function(p) -(y * log(p) + (1 - y) * log(1 - p))
  difference <- lm(loss(risk) - loss(cases$other_risk) ~ 1)
  clustered <- sqrt(vcovCL(difference, cluster = cases$patient, type = "HC0", cadjust = TRUE)[1, 1])
  rbind(
    row("auroc", delong[2], delong[1], delong[3], version("pROC")),
    row("calibration_intercept", coef(in_the_large), ci_large[1], ci_large[2], paste(base_r, "glm")),
    row("calibration_slope", coef(slope)["logit"], ci_slope[1], ci_slope[2], paste(base_r, "glm")),
    row("ici", harrell["Eavg"], tool = paste(version("rms"), "val.prob")),
    row("e50", median(errors), tool = paste(base_r, "lowess")),
    row("e90", harrell["E90"], tool = paste(version("rms"), "val.prob")),
    row("emax", harrell["Emax"], tool = paste(version("rms"), "val.prob")),
    row("brier_score", harrell["Brier"], tool = paste(version("rms"), "val.prob")),
    row("scaled_brier_score", 1 - harrell["Brier"] / (mean(y) * (1 - mean(y))), tool = paste(version("rms"), "val.prob")),
    mean_row("log_loss", loss(risk)),
    row("prevalence", mean(y), wilson[1], wilson[2], paste(base_r, "prop.test")),
    mean_row("mean_risk", risk),
    mean_row("net_benefit_20", benefit(0.2)),
    mean_row("net_benefit_35", benefit(0.35)),
    mean_row("interventions_avoided_20", avoided(0.2)),
    row("paired_difference", coef(difference), coef(difference) - qnorm(0.975) * clustered,
        coef(difference) + qnorm(0.975) * clustered, version("sandwich")))
}

lowess_rows <- function(set, cases) {
  fit <- lowess(cases$risk, cases$y, iter = 0)
  unique(data.frame(set = set, risk = fit$x, observed = fit$y))
}

# Restricted cubic splines: x, its linear term (x itself) and the two others, scaled by the squared range
# of the outer knots (norm = 2). The knots are R's default (type 7) quantiles of x.
spline_rows <- function() {
  set.seed(20240301)
  x <- round(rgamma(200, 6, 0.12), 3)
  knots <- quantile(x, c(0.05, 0.35, 0.65, 0.95), names = FALSE)
  basis <- rcspline.eval(x, knots = knots, norm = 2, inclx = TRUE)
  data.frame(x = x, linear = basis[, 1], nonlinear_1 = basis[, 2], nonlinear_2 = basis[, 3],
             knot_1 = knots[1], knot_2 = knots[2], knot_3 = knots[3], knot_4 = knots[4], tool = version("Hmisc"))
}

write_table(invent_cases(), "cases.csv")
cases <- read.csv("cases.csv")
by_set <- split(cases, cases$set)
write_table(do.call(rbind, Map(reference_rows, names(by_set), by_set)), "reference.csv")
write_table(do.call(rbind, Map(lowess_rows, names(by_set), by_set)), "lowess_reference.csv")
write_table(spline_rows(), "rcs_reference.csv")
