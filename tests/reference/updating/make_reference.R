# Reference numbers for models/updating.py: the three models of the closed test, and its tests, from R.
#
#   cd tests/reference/updating && Rscript make_reference.R
#
# Made with R 4.2.2, rms 6.5.0, survey 4.1.1, as packaged by Debian 12:
#   apt-get install --no-install-recommends r-base-core r-cran-rms r-cran-survey
# Every row of the table names its tool. Nobody needs R to run the tests.
#
# cases.csv holds four invented sites under one model:
#   right     150 cases, risks as they should be
#   higher    400 cases, an outcome commoner by 0.6 in log-odds
#   steeper   2,000 cases, risks half as extreme as they should be, and too low
#   censored  900 cases, risks too extreme and too high; with weights, since low risks stayed away more
#
# reference.csv: coefficients and standard errors by glm with the log-odds as offset, by rms::lrm for intercept and
# slope, and by survey::svyglm where cases have weights; likelihood ratio tests by anova() of the glms, and with
# weights by survey::regTermTest(method = "LRT") for the slope (one parameter, so Rao and Scott's factor is exact);
# for both parameters together by the same factor's definition, from the covariances that survey gives.

suppressPackageStartupMessages({ library(rms); library(survey) })
options(digits = 15)
set.seed(20261123)

site <- function(name, n, intercept, slope, weighted = FALSE) {
  log_odds <- rnorm(n, -0.8, 0.9)
  y <- rbinom(n, 1, plogis(intercept + slope * log_odds))
  weight <- if (weighted) round(1 / plogis(2.5 + 0.6 * log_odds + rnorm(n, 0, 0.3)), 4) else 1
  data.frame(site = name, log_odds = round(log_odds, 6), y = y, weight = weight)
}
cases <- rbind(site("right", 150, 0, 1), site("higher", 400, 0.6, 1), site("steeper", 2000, 0.3, 1.9),
               site("censored", 900, -0.4, 0.6, weighted = TRUE))
write.csv(cases, "cases.csv", row.names = FALSE, quote = FALSE)

version <- function(package) paste(package, as.character(packageVersion(package)))
base_r <- paste0("R ", R.version$major, ".", R.version$minor)
tight <- glm.control(epsilon = 1e-14, maxit = 100)
row <- function(name, quantity, value, tool)
  data.frame(site = name, quantity = quantity, value = signif(value, 12), tool = tool)

plain <- function(name, d) {
  original <- glm(y ~ 0 + offset(log_odds), binomial, d, control = tight)
  intercept <- glm(y ~ 1 + offset(log_odds), binomial, d, control = tight)
  both <- glm(y ~ log_odds, binomial, d, control = tight)
  by_rms <- lrm(y ~ log_odds, d, eps = 1e-12, maxit = 50, tol = 1e-14)
  test <- function(a, b) anova(a, b, test = "LRT")[2, c("Df", "Deviance", "Pr(>Chi)")]
  most <- test(original, both)
  last <- test(intercept, both)
  rbind(
    row(name, "intercept_alone", coef(intercept)[[1]], base_r),
    row(name, "intercept_alone_se", sqrt(vcov(intercept)[1, 1]), base_r),
    row(name, "intercept", coef(by_rms)[[1]], version("rms")),
    row(name, "intercept_se", sqrt(vcov(both)[1, 1]), base_r),
    row(name, "slope", coef(by_rms)[[2]], version("rms")),
    row(name, "slope_se", sqrt(vcov(both)[2, 2]), base_r),
    row(name, "most_statistic", most$Deviance, base_r), row(name, "most_p", most[["Pr(>Chi)"]], base_r),
    row(name, "last_statistic", last$Deviance, base_r), row(name, "last_p", last[["Pr(>Chi)"]], base_r))
}

weighted <- function(name, d) {
  d$weight <- d$weight / mean(d$weight)
  design <- svydesign(ids = ~1, weights = ~weight, data = d)
  fit <- function(formula) suppressWarnings(svyglm(formula, design, family = quasibinomial, control = tight))
  intercept <- fit(y ~ 1 + offset(log_odds))
  both <- fit(y ~ log_odds)
  likelihood <- function(l) sum(d$weight * (d$y * l - log1p(exp(l))))
  at_original <- likelihood(d$log_odds)
  at_intercept <- likelihood(coef(intercept)[[1]] + d$log_odds)
  at_both <- likelihood(coef(both)[[1]] + coef(both)[[2]] * d$log_odds)
  counted <- vcov(suppressWarnings(glm(y ~ log_odds, binomial, d, weights = weight, control = tight)))
  robust <- vcov(both)
  most_effect <- sum(diag(solve(counted, robust))) / 2
  last_effect <- robust[2, 2] / counted[2, 2]
  most <- 2 * (at_both - at_original) / most_effect
  # The slope as a term to test: the same model written with the log-odds as offset, so that 0 is what is tested.
  d$offset <- d$log_odds
  shifted <- svydesign(ids = ~1, weights = ~weight, data = d)
  tested <- regTermTest(suppressWarnings(svyglm(y ~ log_odds + offset(offset), shifted, family = quasibinomial,
                                                control = tight)),
                        ~log_odds, method = "LRT", df = Inf, lrt.approximation = "satterthwaite")
  last_statistic <- 2 * (at_both - at_intercept) / last_effect
  rbind(
    row(name, "intercept_alone", coef(intercept)[[1]], version("survey")),
    row(name, "intercept_alone_se", sqrt(vcov(intercept)[1, 1]), version("survey")),
    row(name, "intercept", coef(both)[[1]], version("survey")),
    row(name, "intercept_se", sqrt(robust[1, 1]), version("survey")),
    row(name, "slope", coef(both)[[2]], version("survey")),
    row(name, "slope_se", sqrt(robust[2, 2]), version("survey")),
    row(name, "most_statistic", most, paste(base_r, "and", version("survey"))),
    row(name, "most_p", pchisq(most, 2, lower.tail = FALSE), paste(base_r, "and", version("survey"))),
    row(name, "last_statistic", last_statistic, paste(base_r, "and", version("survey"))),
    row(name, "last_p", as.numeric(tested$p), version("survey")),
    row(name, "last_p_by_definition", pchisq(last_statistic, 1, lower.tail = FALSE), base_r))
}

cases <- read.csv("cases.csv")
made <- lapply(split(cases, factor(cases$site, unique(cases$site))), function(d)
  if (any(d$weight != 1)) weighted(d$site[1], d) else plain(d$site[1], d))
write.csv(do.call(rbind, made), "reference.csv", row.names = FALSE, quote = FALSE)
