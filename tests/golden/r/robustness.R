# Answers for missing data, sensitivity, power and permutation, by other routes than the package's.
# Run from the repository root: Rscript tests/golden/r/robustness.R
suppressMessages({
  library(jsonlite)
  library(mice)
  library(sandwich)
})
folder <- "tests/golden/data/r"

# --- pooling: mice on its own example data --------------------------------------------------------------------------
imputed <- mice(nhanes, m = 5, maxit = 5, seed = 20240901, printFlag = FALSE)
completed <- complete(imputed, "long")
completed <- data.frame(imputation = completed$.imp, completed[c("age", "bmi", "hyp", "chl")])
write.csv(completed, file.path(folder, "nhanes_completed.csv"), row.names = FALSE)
# The fits use the table as it is written, so that both sides read the same numbers.
completed <- read.csv(file.path(folder, "nhanes_completed.csv"))
fits <- lapply(split(completed, completed$imputation), function(d) lm(chl ~ age + bmi + hyp, data = d))
pooled <- pool(as.mira(fits))$pooled
pooling <- list(term = as.character(pooled$term), estimate = pooled$estimate, within = pooled$ubar, between = pooled$b,
                total = pooled$t, df_complete = pooled$dfcom, df = pooled$df, riv = pooled$riv, share = pooled$lambda,
                fmi = pooled$fmi)

# --- Oster: one control, from the definition of proportional selection ----------------------------------------------
# Y = bX + cW + U + e with U orthogonal to W. A value of b fixes c, then what U must share with X and with Y.
cars <- mtcars[c("mpg", "wt", "hp")]
moments <- cov(cars)
r_max <- 0.95
delta_of <- function(b) {
  net <- moments["mpg", "hp"] - b * moments["wt", "hp"]
  slope <- net / moments["hp", "hp"]
  with_observed <- slope * moments["wt", "hp"]
  observed <- slope^2 * moments["hp", "hp"]
  net_with_x <- moments["mpg", "wt"] - b * moments["wt", "wt"]
  net_variance <- moments["mpg", "mpg"] - 2 * b * moments["mpg", "wt"] + b^2 * moments["wt", "wt"]
  unobserved <- net_variance - observed - (1 - r_max) * moments["mpg", "mpg"]
  ((net_with_x - with_observed) / unobserved) / (with_observed / observed)
}
short <- lm(mpg ~ wt, cars)
full <- lm(mpg ~ wt + hp, cars)
adjusted <- function(delta, to) uniroot(function(b) delta_of(b) - delta, c(coef(full)["wt"] - 1e-9, to), tol = 1e-14)$root
oster <- list(mpg = cars$mpg, wt = cars$wt, hp = cars$hp, r_max = r_max, short = unname(coef(short)["wt"]),
              full = unname(coef(full)["wt"]), r2_short = summary(short)$r.squared, r2_full = summary(full)$r.squared,
              delta_zero = delta_of(0), delta_minus_one = delta_of(-1),
              adjusted_one = adjusted(1, -1e-6), adjusted_half = adjusted(0.5, -1e-6))

# --- robustness value: the weakest confounder, searched for ---------------------------------------------------------
# A confounder that explains r of the term and y <= r of the outcome moves the estimate by se sqrt(df) sqrt(y r/(1-r)).
weakest <- function(t, df, q = 1, alpha = NULL) {
  left <- function(r) {
    adjusted_t <- function(y) {
      moved <- abs(t) - sqrt(df) * sqrt(y * r / (1 - r)) - (1 - q) * abs(t)
      moved / (sqrt((1 - y) / (1 - r)) * sqrt(df / (df - 1)))
    }
    smallest <- min(optimize(adjusted_t, c(0, r), tol = 1e-14)$objective, adjusted_t(r))
    smallest - if (is.null(alpha)) 0 else qt(1 - alpha / 2, df - 1)
  }
  if (left(1e-12) <= 0) return(0)
  uniroot(left, c(1e-12, 1 - 1e-9), tol = 1e-14)$root
}
cases <- list(c(4.184, 783), c(2.5, 40), c(-3.1, 25), c(1.2, 100), c(30, 8))
robustness <- lapply(cases, function(case) list(
  statistic = case[1], df = case[2], value = weakest(case[1], case[2]), limit = weakest(case[1], case[2], alpha = 0.05),
  half = weakest(case[1], case[2], q = 0.5)
))

# --- power ----------------------------------------------------------------------------------------------------------
power_at <- function(lambda, df, alpha) {
  critical <- qt(1 - alpha / 2, df)
  pt(critical, df, lambda, lower.tail = FALSE) + pt(-critical, df, lambda)
}
detectable <- function(J, n, icc, power, alpha, rb = 0, rw = 0, rx = 0, c = 0) {
  df <- J - 2 - c
  lambda <- uniroot(function(l) power_at(l, df, alpha) - power, c(1e-6, 30), tol = 1e-12)$root
  lambda * sqrt((icc * (1 - rb) + (1 - icc) * (1 - rw) / n) / (J * (1 - rx)))
}
designs <- list(
  list(schools = 40, students_per_school = 25, icc = 0.2, power = 0.8, alpha = 0.05),
  list(schools = 8, students_per_school = 30, icc = 0.15, power = 0.8, alpha = 0.05),
  list(schools = 120, students_per_school = 22.5, icc = 0.1, power = 0.9, alpha = 0.01, r2_between = 0.5, r2_within = 0.3,
       r2_predictor = 0.25, covariates = 4),
  list(schools = 20, students_per_school = 1, icc = 1, power = 0.8, alpha = 0.05)
)
power <- lapply(designs, function(d) {
  value <- function(name) if (is.null(d[[name]])) 0 else d[[name]]
  c(d, effect = detectable(d$schools, d$students_per_school, d$icc, d$power, d$alpha, value("r2_between"),
                           value("r2_within"), value("r2_predictor"), value("covariates")))
})
# Two groups of schools of the same size: the standardised coefficient of the group is half the difference.
two_groups <- lapply(c(10, 64), function(n) list(
  each = n, difference = power.t.test(n = n, power = 0.8, sig.level = 0.05, strict = TRUE, tol = 1e-12)$delta
))

# --- permutations of a school-level term ----------------------------------------------------------------------------
set.seed(7)
schools <- 14
size <- sample(2:7, schools, replace = TRUE)
school <- rep(seq_len(schools), size)
county <- rep(rep(1:4, length.out = schools), size)
x <- rnorm(schools)
control <- round(rnorm(length(school)) + 0.5 * x[school], 3)
y <- round(0.4 * x[school] + 0.3 * control + rnorm(schools)[school] * 0.5 + rnorm(length(school)), 3)
w <- round(runif(length(school), 0.5, 2), 2)
terms <- round(cbind(x, replicate(4, sample(x))), 6)
clustered <- function(formula, term, weighted) {
  d <- data.frame(y, control, county, school, term = term[school], w = if (weighted) w else 1)
  fit <- lm(formula, d, weights = w)
  c(coef(fit)[["term"]], sqrt(vcovCL(fit, cluster = d$school, type = "HC1", cadjust = TRUE)["term", "term"]))
}
intercepts <- function(term, between, within) {
  v <- within * diag(length(y)) + between * outer(school, school, "==")
  z <- cbind(1, control, term[school])
  inverse <- solve(t(z) %*% solve(v, z))
  c((inverse %*% t(z) %*% solve(v, y))[3], sqrt(inverse[3, 3]))
}
by_term <- function(f) t(apply(terms, 2, f))
permutation <- list(
  school = school - 1, county = county, control = control, y = y, w = w, terms = terms,
  plain = by_term(function(t) clustered(y ~ term + control, t, FALSE)),
  weighted = by_term(function(t) clustered(y ~ term + control, t, TRUE)),
  county_effects = by_term(function(t) clustered(y ~ term + control + factor(county), t, TRUE)),
  alone = by_term(function(t) clustered(y ~ term, t, FALSE)),
  intercepts = by_term(function(t) intercepts(t, 0.3, 0.9)), between = 0.3, within = 0.9
)

versions <- list(R = R.version.string, mice = as.character(packageVersion("mice")),
                 sandwich = as.character(packageVersion("sandwich")), jsonlite = as.character(packageVersion("jsonlite")))
write_json(
  list(versions = versions, pooling = pooling, oster = oster, robustness = robustness, power = power,
       two_groups = two_groups, permutation = permutation),
  file.path(folder, "robustness.json"), auto_unbox = TRUE, digits = I(17), pretty = FALSE
)
