# Reference numbers for the measures behind models/metrics.py and the spline basis, from R.
#
#   cd tests/reference/metrics && Rscript make_reference.R
#
# Made with R 4.2.2, pROC 1.18.0, rms 6.5.0, Hmisc 4.8.0, sandwich 3.0.2, survey 4.1.1, as packaged by Debian 12:
#   apt-get install --no-install-recommends r-base-core r-cran-rms r-cran-proc r-cran-survey
# Every row of a reference table names its tool and version. Nobody needs R to run the tests.
#
# cases.csv holds four invented test sets, each with inverse-probability weights (low risks stayed away more):
#   smooth  600 risks all different, as a logistic learner gives them; too extreme, and too high
#   ties    900 cases, nine distinct risks only, as a shallow tree gives them; they come in patients of 1 to 3
#   common  2,000 cases, an outcome of a third of them
#   rare    1,500 cases, an outcome of 3 % of them
#
# reference.csv             without weights. Debian has no dcurves: net benefit is plain arithmetic
# lowess_reference.csv      lowess(), the curve that val.prob draws
# weighted_reference.csv    with weights: survey for means, ratios and logistic fits; base R's loess() for the curve,
#                           and the area by every pair (Debian has no package for a weighted one)
# loess_reference.csv       loess() with weights, directly at every distinct risk
# rcs_reference.csv         restricted cubic splines

suppressPackageStartupMessages({ library(rms); library(pROC); library(sandwich); library(survey) })
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
  set.seed(20240502)
  fresh <- function(set, n, centre) {
    log_odds <- rnorm(n, centre, 0.9)
    data.frame(set = set, patient = seq_len(n), y = rbinom(n, 1, plogis(log_odds)),
               risk = round(plogis(0.1 + 0.9 * log_odds), 6), other_risk = round(plogis(0.5 * centre + 0.5 * log_odds), 6))
  }
  cases <- rbind(smooth, ties, fresh("common", 2000, -0.8), fresh("rare", 1500, -3.8))
  cases$weight <- round(1 / plogis(1.5 + 0.5 * qlogis(cases$risk) + rnorm(nrow(cases), 0, 0.5)), 4)
  cases
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
  ratio_row <- function(metric, design) {
    found <- svyratio(~y, ~risk, design)
    log_error <- as.numeric(SE(found)) / as.numeric(coef(found))
    z <- exp(log(as.numeric(coef(found))) + c(-1, 1) * qnorm(0.975) * log_error)
    row(metric, as.numeric(coef(found)), z[1], z[2], paste(version("survey"), "svyratio")) }
  loss <- function(p) -(y * log(p) + (1 - y) * log(1 - p))
  difference <- lm(loss(risk) - loss(cases$other_risk) ~ 1)
  clustered <- sqrt(vcovCL(difference, cluster = cases$patient, type = "HC0", cadjust = TRUE)[1, 1])
  rbind(
    row("auroc", delong[2], delong[1], delong[3], version("pROC")),
    row("auroc_of_somers2", somers2(risk, y)["C"], tool = paste(version("Hmisc"), "somers2")),
    row("auroc_of_val_prob", harrell["C (ROC)"], tool = paste(version("rms"), "val.prob from 5000 bins")),
    row("slope_of_val_prob", harrell["Slope"], tool = paste(version("rms"), "val.prob")),
    ratio_row("observed_to_expected", svydesign(ids = ~1, weights = ~1, data = cases)),
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
    mean_row("interventions_avoided_35", avoided(0.35)),
    row("paired_difference", coef(difference), coef(difference) - qnorm(0.975) * clustered,
        coef(difference) + qnorm(0.975) * clustered, version("sandwich")))
}

# The share of weighted pairs in the right order, by every pair; DeLong's variance with each case's weighted pull.
weighted_area <- function(y, risk, weight) {
  right_order <- outer(risk[y == 1], risk[y == 0], function(a, b) (a > b) + (a == b) / 2)
  of_events <- weight[y == 1]; of_others <- weight[y == 0]
  area <- sum(outer(of_events, of_others) * right_order) / (sum(of_events) * sum(of_others))
  variance <- function(won, w) length(w) / (length(w) - 1) * sum((w * (won - area))^2) / sum(w)^2
  error <- sqrt(variance(right_order %*% of_others / sum(of_others), of_events) +
                variance(of_events %*% right_order / sum(of_events), of_others))
  c(area, area - qnorm(0.975) * error, area + qnorm(0.975) * error)
}

direct_loess <- function(cases)
  loess(y ~ risk, cases, weights = cases$weight, degree = 1, span = 2 / 3, family = "gaussian", surface = "direct",
        statistics = "none")

TIGHT <- list(epsilon = 1e-14, maxit = 100)  # here, because svyglm() looks it up in the workspace

weighted_rows <- function(set, cases) {
  cases$logit <- qlogis(cases$risk)
  cases$brier <- (cases$risk - cases$y)^2
  cases$log_loss <- -(cases$y * log(cases$risk) + (1 - cases$y) * log(1 - cases$risk))
  for (t in c(20, 35)) {
    odds <- t / (100 - t); treated <- cases$risk >= t / 100
    cases[[paste0("net_benefit_", t)]] <- treated * ifelse(cases$y == 1, 1, -odds)
    cases[[paste0("interventions_avoided_", t)]] <- 100 * (!treated) * ifelse(cases$y == 1, -1 / odds, 1)
  }
  design <- svydesign(ids = ~1, weights = ~weight, data = cases)
  n <- nrow(cases)
  row <- function(metric, estimate, lower = NA, upper = NA, tool)
    data.frame(set = set, metric = metric, estimate = unname(estimate), lower = unname(lower),
               upper = unname(upper), tool = paste(version("survey"), tool))
  with_z <- function(metric, found, error, tool)
    row(metric, found, found - qnorm(0.975) * error, found + qnorm(0.975) * error, tool)
  mean_row <- function(metric, variable = metric) {
    found <- svymean(as.formula(paste0("~", variable)), design)
    with_z(metric, as.numeric(coef(found)), as.numeric(SE(found)), "svymean") }
  # Wilson's interval for as many cases as would know an unweighted proportion equally well.
  happened <- svymean(~y, design); share <- as.numeric(coef(happened))
  alike <- share * (1 - share) / (as.numeric(SE(happened))^2 * (n - 1) / n)
  wilson <- suppressWarnings(prop.test(share * alike, alike, correct = FALSE)$conf.int)
  in_the_large <- svyglm(y ~ 1 + offset(logit), design, family = quasibinomial, control = TIGHT)
  slope <- svyglm(y ~ logit, design, family = quasibinomial, control = TIGHT)
  scaled <- svycontrast(svymean(~brier + y, design), quote(1 - brier / (y * (1 - y))))
  ratio <- svyratio(~y, ~risk, design)
  times <- exp(qnorm(0.975) * as.numeric(SE(ratio)) / as.numeric(coef(ratio)))
  area <- weighted_area(cases$y, cases$risk, cases$weight)
  rows <- rbind(
    transform(row("auroc", area[1], area[2], area[3], ""), tool = paste(base_r, "every pair")),
    with_z("calibration_intercept", coef(in_the_large)[1], SE(in_the_large)[1], "svyglm"),
    with_z("calibration_slope", coef(slope)["logit"], SE(slope)["logit"], "svyglm"),
    row("observed_to_expected", as.numeric(coef(ratio)), as.numeric(coef(ratio)) / times,
        as.numeric(coef(ratio)) * times, "svyratio"),
    mean_row("brier_score", "brier"),
    with_z("scaled_brier_score", as.numeric(coef(scaled)), as.numeric(SE(scaled)), "svycontrast"),
    mean_row("log_loss"), mean_row("net_benefit_20"), mean_row("net_benefit_35"),
    mean_row("interventions_avoided_20"), mean_row("interventions_avoided_35"),
    row("prevalence", share, wilson[1], wilson[2], "svymean with prop.test of R"), mean_row("mean_risk", "risk"))
  quantiles <- wtd.quantile(cases$risk, cases$weight, c(0.5, 0.9), normwt = TRUE)
  quantile_rows <- data.frame(set = set, metric = c("risk_50", "risk_90"), estimate = unname(quantiles), lower = NA,
                              upper = NA, tool = paste(version("Hmisc"), "wtd.quantile"))
  # Elsewhere our curve is straight between fits, 1 % of the range apart, and loess() is not.
  if (length(unique(cases$risk)) > 100) return(rbind(rows, quantile_rows))
  errors <- abs(predict(direct_loess(cases)) - cases$risk)
  tails <- wtd.quantile(errors, cases$weight, c(0.5, 0.9), normwt = TRUE)
  rbind(rows, quantile_rows,
        data.frame(set = set, metric = c("ici", "e50", "e90", "emax"),
                   estimate = c(weighted.mean(errors, cases$weight), tails, max(errors)), lower = NA, upper = NA,
                   tool = paste(base_r, "loess with wtd.quantile of", version("Hmisc"))))
}

loess_rows <- function(set, cases)
  unique(data.frame(set = set, risk = cases$risk, observed = predict(direct_loess(cases)))[order(cases$risk), ])

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
write_table(do.call(rbind, Map(weighted_rows, names(by_set), by_set)), "weighted_reference.csv")
loess_reference <- do.call(rbind, Map(loess_rows, c("ties", "common"), by_set[c("ties", "common")]))
write_table(loess_reference[!duplicated(loess_reference[c("set", "risk")]), ], "loess_reference.csv")
write_table(spline_rows(), "rcs_reference.csv")
