# Reference numbers for paired comparisons of two sets of risks on the same cases, from R.
#
#   cd tests/reference/comparison && Rscript make_reference.R
#
# Made with R 4.2.2, pROC 1.18.0, sandwich 3.0.2, as packaged by Debian 12:
#   apt-get install --no-install-recommends r-base-core r-cran-proc r-cran-sandwich
# Every row of reference.csv names its tool and version. Nobody needs R to run the tests.
#
# cases.csv holds four invented test sets, each case with an outcome y and two risks:
#   common  2,000 cases, prevalence about a third; risk_a and risk_b share most of what they know
#   rare    1,500 cases, prevalence about 3 %
#   ties    700 cases; risk_a has nine distinct values, as a shallow tree gives them
#   crossed 400 cases; the two risks disagree, and rank the cases about equally well
#
# Every difference is a less b, with a 95 % interval (estimate +- 1.96 standard errors) and a two-sided p:
#   auroc                      pROC: roc.test(paired = TRUE, method = "delong"); the pair of areas is auroc_a, auroc_b
#   brier_score, log_loss      mean of the difference of the cases' losses: lm(difference ~ 1), normal quantile
#   net_benefit_*              the same of the cases' parts in the net benefit, at 20 % and 35 %
#   interventions_avoided_*    the same, per 100 cases
# dcurves is not packaged by Debian: net benefit is plain arithmetic (true positives, less false positives
# times the odds of the threshold), written out here.

suppressPackageStartupMessages(library(pROC))
options(digits = 15)

version <- function(package) paste(package, as.character(packageVersion(package)))
base_r <- paste0("R ", R.version$major, ".", R.version$minor)
write_table <- function(table, path) {
  numeric <- vapply(table, is.double, logical(1))
  table[numeric] <- lapply(table[numeric], function(x) round(signif(x, 12), 15))  # no dust where a difference is 0
  write.csv(table, path, row.names = FALSE, quote = FALSE, na = "")
}

invent <- function(set, n, centre, shared, own_a, own_b, round_a = identity) {
  known <- rnorm(n); only_a <- rnorm(n); only_b <- rnorm(n)
  y <- rbinom(n, 1, plogis(centre + shared * known + own_a * only_a + own_b * only_b))
  data.frame(set = set, y = y,
             risk_a = round_a(plogis(centre + shared * known + own_a * only_a)),
             risk_b = round(plogis(centre + shared * known + own_b * only_b), 6))
}

invent_cases <- function() {
  set.seed(20240501)
  six <- function(risk) round(risk, 6)
  nine <- function(risk) c(0.04, 0.08, 0.13, 0.2, 0.27, 0.35, 0.46, 0.58, 0.74)[cut(rank(risk), 9, labels = FALSE)]
  rbind(invent("common", 2000, -0.8, 0.8, 0.5, 0.2, six),
        invent("rare", 1500, -3.6, 0.8, 0.5, 0.1, six),
        invent("ties", 700, -0.9, 0.7, 0.3, 0.4, nine),
        invent("crossed", 400, -0.5, 0.1, 0.7, 0.7, six))
}

reference_rows <- function(set, cases) {
  y <- cases$y; a <- cases$risk_a; b <- cases$risk_b
  row <- function(metric, estimate, standard_error, p, tool, lower = estimate - qnorm(0.975) * standard_error,
                  upper = estimate + qnorm(0.975) * standard_error)
    data.frame(set = set, metric = metric, estimate = unname(estimate), standard_error = unname(standard_error),
               lower = unname(lower), upper = unname(upper), p_value = unname(p), tool = tool)
  curve <- function(risk) roc(y, risk, quiet = TRUE, direction = "<", levels = c(0, 1))
  test <- roc.test(curve(a), curve(b), paired = TRUE, method = "delong")
  difference <- unname(test$estimate[1] - test$estimate[2])
  standard_error <- unname(difference / test$statistic)
  area <- function(name, risk) row(name, as.numeric(auc(curve(risk))), sqrt(var(curve(risk), method = "delong")), NA,
                                   version("pROC"))
  mean_row <- function(metric, difference) {
    fit <- summary(lm(difference ~ 1))$coefficients
    row(metric, fit[1], fit[2], 2 * pnorm(-abs(fit[1] / fit[2])), paste(base_r, "lm")) }
  log_loss <- function(risk) -(y * log(risk) + (1 - y) * log(1 - risk))
  benefit <- function(risk, t) ifelse(risk >= t, ifelse(y == 1, 1, -t / (1 - t)), 0)
  avoided <- function(risk, t) ifelse(risk < t, ifelse(y == 0, 1, -(1 - t) / t), 0) * 100
  rbind(
    area("auroc_a", a), area("auroc_b", b),
    row("auroc", difference, standard_error, test$p.value, paste(version("pROC"), "roc.test"),
        test$conf.int[1], test$conf.int[2]),
    mean_row("brier_score", (a - y)^2 - (b - y)^2),
    mean_row("log_loss", log_loss(a) - log_loss(b)),
    mean_row("net_benefit_20", benefit(a, 0.2) - benefit(b, 0.2)),
    mean_row("net_benefit_35", benefit(a, 0.35) - benefit(b, 0.35)),
    mean_row("interventions_avoided_20", avoided(a, 0.2) - avoided(b, 0.2)))
}

write_table(invent_cases(), "cases.csv")
cases <- read.csv("cases.csv")
by_set <- split(cases, cases$set)
write_table(do.call(rbind, Map(reference_rows, names(by_set), by_set)), "reference.csv")
