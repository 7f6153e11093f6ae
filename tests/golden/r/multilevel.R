# Mixed models by lme4 and lmerTest, for tests/golden/test_multilevel_reference.py.
# From the root of the repository: Rscript tests/golden/r/multilevel.R
# Writes tests/golden/data/three_levels.csv (made, seeded) and tests/golden/data/r/multilevel.json.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(jsonlite)
})

control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 2e-2, rhoend = 1e-9, maxfun = 1e6),
                       calc.derivs = FALSE, check.conv.singular = "ignore")

# --- data --------------------------------------------------------------------------------------------------------

# Noise that every language computes alike: twelve uniform numbers, each the fraction of a large sine, less six.
fraction <- function(i, k) {
  v <- sin(i * 12.9898 + k * 78.233) * 43758.5453
  v - floor(v)
}
noise <- function(i, k) Reduce(`+`, lapply(0:11, function(j) fraction(i, 100 * k + j))) - 6

large <- local({
  i <- 1:30000
  school <- floor(2400 * fraction(i, 1)^1.2)
  x <- noise(i, 2)
  w <- noise(school, 3)
  data.frame(school, x, w, y = 500 + 5 * x + 8 * w + 20 * noise(school, 4) + 70 * noise(i, 5))
})
correlated <- function(own) {
  i <- 1:1000
  school <- i %% 40
  x <- noise(i, 6)
  u <- noise(school, 7)
  data.frame(school, x, y = 10 + x + u + (0.6 * u + own * noise(school, 8)) * x + noise(i, 9))
}
steep <- correlated(0.08)
near <- correlated(0.25)
level <- local({
  i <- 1:600
  school <- i %% 30
  x <- noise(i, 10)
  e <- noise(i, 11)
  data.frame(school, x, y = 50 + 2 * x + e - 0.9 * ave(e, school))
})

set.seed(20260301)
three <- local({
  district <- rep(1:15, times = sample(2:6, 15, replace = TRUE))
  school <- seq_along(district)
  w <- rnorm(length(school))
  district_effect <- rnorm(15, sd = 6)
  district_slope <- rnorm(15, sd = 1.5) + 0.15 * district_effect
  school_effect <- rnorm(length(school), sd = 4)
  school_slope <- rnorm(length(school), sd = 1.2) - 0.1 * school_effect
  row <- rep(school, times = sample(8:40, length(school), replace = TRUE))
  x <- round(rnorm(length(row), mean = 2), 3)
  y <- 70 + 3 * x + 2 * w[row] + district_effect[district[row]] + school_effect[row] +
    (district_slope[district[row]] + school_slope[row]) * x + rnorm(length(row), sd = 9)
  data.frame(district = sprintf("D%02d", district[row]), school = sprintf("S%03d", row), x = x, w = round(w[row], 3),
             y = round(y, 3))
})
write.csv(three, "tests/golden/data/three_levels.csv", row.names = FALSE, quote = FALSE)
hsb <- read.csv("tests/golden/data/hsb82.csv", colClasses = c(school = "character"))
four <- hsb[hsb$school %in% c("1224", "1288", "1296", "1308"), ]

# --- models ------------------------------------------------------------------------------------------------------

fitted <- function(formula, data, reml, profile = FALSE) {
  fit <- lmer(formula, data, REML = reml, control = control)
  table <- coef(summary(fit))
  components <- as.data.frame(VarCorr(fit))
  predicted <- ranef(fit, condVar = TRUE)
  effects <- lapply(predicted, function(r) {
    sd <- t(apply(attr(r, "postVar"), 3, function(v) sqrt(diag(as.matrix(v)))))
    if (ncol(r) == 1) sd <- t(sd)
    rows <- unique(c(seq_len(min(5, nrow(r))), nrow(r)))
    lapply(setNames(rows, rownames(r)[rows]), function(k) {
      list(effect = unname(unlist(r[k, ])), se = unname(sd[k, ]))
    })
  })
  result <- list(
    call = paste0("lmer(", deparse(formula, width.cutoff = 300), ", REML = ", reml, ")"), units = nobs(fit),
    groups = as.list(ngrps(fit)), singular = isSingular(fit), log_likelihood = as.numeric(logLik(fit)),
    log_likelihood_single = as.numeric(logLik(lm(nobars(formula), data), REML = reml)),
    aic = AIC(fit), bic = BIC(fit), parameters = attr(logLik(fit), "df"), terms = rownames(table),
    estimate = unname(table[, "Estimate"]), se = unname(table[, "Std. Error"]), df = unname(table[, "df"]),
    covariance = unname(as.matrix(vcov(fit))), components = components, sigma2 = sigma(fit)^2, effects = effects
  )
  if (profile) {
    result$profile <- local({
      ci <- confint(fit, method = "profile", oldNames = FALSE, devtol = 1e-5, maxpts = 200, delta = 0.2, quiet = TRUE)
      lapply(setNames(seq_len(nrow(ci)), rownames(ci)), function(k) unname(ci[k, ]))
    })
  }
  result
}

cases <- list(
  null_reml = fitted(score ~ 1 + (1 | school), hsb, TRUE, TRUE),
  null_ml = fitted(score ~ 1 + (1 | school), hsb, FALSE),
  means_reml = fitted(score ~ mean_ses + (1 | school), hsb, TRUE, TRUE),
  means_ml = fitted(score ~ mean_ses + (1 | school), hsb, FALSE),
  slope_reml = fitted(score ~ ses + mean_ses + catholic + (ses | school), hsb, TRUE, TRUE),
  slope_ml = fitted(score ~ ses + mean_ses + catholic + (ses | school), hsb, FALSE),
  two_slopes_reml = fitted(score ~ ses + female + mean_ses + (ses + female | school), hsb, TRUE),
  two_slopes_ml = fitted(score ~ ses + female + mean_ses + (ses + female | school), hsb, FALSE),
  three_reml = fitted(y ~ x + w + (1 | school) + (1 | district), three, TRUE, TRUE),
  three_ml = fitted(y ~ x + w + (1 | school) + (1 | district), three, FALSE),
  three_inner_slope_reml = fitted(y ~ x + w + (x | school) + (1 | district), three, TRUE),
  three_outer_slope_reml = fitted(y ~ x + w + (1 | school) + (x | district), three, TRUE),
  three_slopes_ml = fitted(y ~ x + w + (x | school) + (x | district), three, FALSE),
  level_reml = fitted(y ~ x + (1 | school), level, TRUE, TRUE),
  level_ml = fitted(y ~ x + (1 | school), level, FALSE),
  four_reml = fitted(score ~ ses + (1 | school), four, TRUE),
  steep_reml = fitted(y ~ x + (x | school), steep, TRUE),
  near_reml = fitted(y ~ x + (x | school), near, TRUE),
  large_reml = fitted(y ~ x + w + (1 | school), large, TRUE),
  large_slope_ml = fitted(y ~ x + w + (x | school), large, FALSE)
)

quiet <- function(...) suppressMessages(anova(..., refit = FALSE))
ses <- lmer(score ~ ses + mean_ses + catholic + (1 | school), hsb, REML = TRUE, control = control)
ses_slope <- lmer(score ~ ses + mean_ses + catholic + (ses | school), hsb, REML = TRUE, control = control)
ml <- lapply(list(score ~ ses + (1 | school), score ~ ses + mean_ses + catholic + (1 | school)),
             function(f) lmer(f, hsb, REML = FALSE, control = control))
tests <- list(
  slope = { a <- quiet(ses, ses_slope); list(statistic = a$Chisq[2], df = a$Df[2], p = a$`Pr(>Chisq)`[2]) },
  fixed = { a <- quiet(ml[[1]], ml[[2]]); list(statistic = a$Chisq[2], df = a$Df[2], p = a$`Pr(>Chisq)`[2]) }
)

sums <- list(large = colSums(large), steep = colSums(steep), near = colSums(near), level = colSums(level))
meta <- list(
  made_with = R.version.string,
  packages = sapply(c("lme4", "lmerTest", "jsonlite"), function(p) as.character(packageVersion(p)), simplify = FALSE),
  data = "hsb82.csv, three_levels.csv; large, steep, near and level are computed by formula on both sides, sums to compare"
)
write_json(list(meta = meta, sums = lapply(sums, as.list), cases = cases, tests = tests),
           "tests/golden/data/r/multilevel.json", digits = NA, auto_unbox = TRUE, pretty = 1, na = "null")
