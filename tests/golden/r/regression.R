# Golden values of tests/golden/test_regression_reference.py. From the repository root:
#   Rscript tests/golden/r/regression.R
suppressPackageStartupMessages({
  library(sandwich); library(clubSandwich); library(plm); library(quantreg); library(jsonlite)
})
options(digits = 17)

table_of <- function(beta, vcov, df) {
  se <- sqrt(diag(vcov)); df <- rep(df, length.out = length(beta)); t <- beta / se
  data.frame(term = names(beta), estimate = unname(beta), se = unname(se), df = unname(df),
             p = unname(2 * pt(-abs(t), df)), low = unname(beta - qt(.975, df) * se),
             high = unname(beta + qt(.975, df) * se))
}
wald_of <- function(beta, vcov, terms, df) {
  b <- beta[terms]; f <- drop(t(b) %*% solve(vcov[terms, terms]) %*% b) / length(terms)
  list(terms = terms, statistic = f, df1 = length(terms), df2 = df, p = pf(f, length(terms), df, lower.tail = FALSE))
}
htz_of <- function(fit, vcov, terms) {
  w <- Wald_test(fit, constraints = constrain_zero(terms, coefs = coef(fit)), vcov = vcov, test = "HTZ")
  list(terms = terms, statistic = w$Fstat, df1 = w$df_num, df2 = w$df_denom, p = w$p_val)
}
model <- function(fit, terms, cluster, kinds = c("classical", "HC0", "HC1", "HC2", "HC3")) {
  keep <- c(intersect("(Intercept)", names(coef(fit))), terms)
  if (any(grepl("^factor", names(coef(fit))))) keep <- terms
  beta <- coef(fit)[keep]; out <- list()
  for (kind in kinds) {
    v <- if (kind == "classical") vcov(fit) else vcovHC(fit, type = kind)
    out[[kind]] <- list(estimates = table_of(beta, v[keep, keep, drop = FALSE], df.residual(fit)),
                        wald = wald_of(coef(fit), v, terms, df.residual(fit)))
  }
  g <- length(unique(cluster)); v <- vcovCL(fit, cluster = cluster, type = "HC1", cadjust = TRUE)
  out$CR1 <- list(estimates = table_of(beta, v[keep, keep, drop = FALSE], g - 1),
                  wald = wald_of(coef(fit), v, terms, g - 1))
  v <- vcovCR(fit, cluster = cluster, type = "CR2"); test <- coef_test(fit, vcov = v, test = "Satterthwaite")
  df <- setNames(if (is.null(test$df_Satt)) test$df else test$df_Satt, names(coef(fit)))[keep]
  out$CR2 <- list(estimates = table_of(beta, as.matrix(v)[keep, keep, drop = FALSE], df), wald = htz_of(fit, v, terms))
  s <- summary(fit)
  out$fit <- list(n = nobs(fit), clusters = g, df_residual = df.residual(fit), r_squared = s$r.squared,
                  adjusted_r_squared = s$adj.r.squared, sigma = s$sigma,
                  residuals_head = unname(head(residuals(fit), 5)))
  out
}

california <- read.csv("data/raw/california-1999/aer_caschools.csv")
california <- transform(california, testscr = (read + math) / 2, str = students / teachers)
linear <- list(
  one = model(lm(testscr ~ str, california), "str", california$county),
  four = model(lm(testscr ~ str + english + lunch + calworks, california), c("str", "english", "lunch", "calworks"),
               california$county),
  weighted = model(lm(testscr ~ str + english + lunch, california, weights = students), c("str", "english", "lunch"),
                   california$county),
  text = model(lm(testscr ~ str + grades, california), c("str", "gradesKK-08"), california$county),
  effects = model(lm(testscr ~ 0 + str + english + factor(grades), california), c("str", "english"), california$county),
  two_effects = model(lm(testscr ~ 0 + str + english + factor(county) + factor(grades), california),
                      c("str", "english"), california$county, c("classical", "HC0", "HC1")),
  weighted_effects = model(lm(testscr ~ 0 + str + english + factor(county) + factor(grades), california,
                              weights = students), c("str", "english"), california$county, c("classical", "HC0", "HC1"))
)
# R counts R-squared around zero where a formula has no intercept; with dummies the whole model has one.
centred <- list(
  effects = lm(testscr ~ str + english + factor(grades), california),
  two_effects = lm(testscr ~ str + english + factor(county) + factor(grades), california),
  weighted_effects = lm(testscr ~ str + english + factor(county) + factor(grades), california, weights = students)
)
for (name in names(centred)) {
  s <- summary(centred[[name]])
  linear[[name]]$fit$r_squared <- s$r.squared; linear[[name]]$fit$adjusted_r_squared <- s$adj.r.squared
}

# Wild cluster bootstrap: a naive loop over every pattern of signs, refitting the model each time.
chosen <- c("Alameda", "Butte", "El Dorado", "Imperial", "Lake", "Madera", "Placer", "Tulare")
wild_data <- subset(california, county %in% chosen)
wild <- function(null, weighted) {
  d <- wild_data; d$w <- if (weighted) d$students else 1
  t_of <- function(y) {
    d$y <- y; fit <- lm(y ~ str + english, d, weights = w)
    (coef(fit)["str"] - null) / sqrt(vcovCL(fit, cluster = d$county, type = "HC1", cadjust = TRUE)["str", "str"])
  }
  restricted <- lm(I(testscr - null * str) ~ english, d, weights = w)
  base <- fitted(restricted) + null * d$str; e <- residuals(restricted)
  signs <- as.matrix(expand.grid(rep(list(c(1, -1)), length(chosen)))); colnames(signs) <- chosen
  draws <- apply(signs, 1, function(v) t_of(base + v[d$county] * e)); t <- t_of(d$testscr)
  list(null = null, weighted = weighted, clusters = length(chosen), n = nrow(d), statistic = unname(t),
       p = mean(abs(draws) >= abs(t) * (1 - 1e-10)), draws = sort(unname(draws)))
}
wilds <- list(wild(0, FALSE), wild(-2, FALSE), wild(1.5, FALSE), wild(0, TRUE))

# Panels.
data("Grunfeld", package = "plm")
write.csv(Grunfeld, "tests/golden/data/grunfeld.csv", row.names = FALSE, quote = FALSE)
panel <- function(d) {
  p <- pdata.frame(d, index = c("firm", "year")); f <- inv ~ value + capital
  fits <- list(pooled = plm(f, p, model = "pooling"), fixed = plm(f, p, model = "within"),
               two_way = plm(f, p, model = "within", effect = "twoways"), random = plm(f, p, model = "random"),
               between = plm(f, p, model = "between"))
  out <- lapply(fits, function(m) {
    r <- list(classical = table_of(coef(m), vcov(m), df.residual(m)), df_residual = df.residual(m), n = nobs(m))
    if (!identical(m$args$model, "between")) {
      g <- length(unique(d$firm)); r$clustered <- table_of(coef(m), vcovHC(m, type = "sss", cluster = "group"), g - 1)
    }
    r
  })
  # plm counts no effects of time in its factor; effects that do not lie inside the clusters must count, as columns do.
  years <- plm(inv ~ value + capital + factor(year), p, model = "within")
  keep <- c("value", "capital")
  out$two_way$clustered <- table_of(coef(years)[keep], vcovHC(years, type = "sss", cluster = "group")[keep, keep],
                                    length(unique(d$firm)) - 1)
  out$random$variances <- unname(ercomp(fits$random)$sigma2[c("idios", "id")])
  h <- phtest(fits$fixed, fits$random)
  out$hausman <- list(statistic = unname(h$statistic), df = unname(h$parameter), p = unname(h$p.value))
  out
}
difference <- function(d, trend) {
  p <- pdata.frame(d, index = c("firm", "year"))
  m <- plm(if (trend) inv ~ value + capital else inv ~ 0 + value + capital, p, model = "fd")
  g <- length(unique(d$firm))
  list(classical = table_of(coef(m), vcov(m), df.residual(m)),
       clustered = table_of(coef(m), vcovHC(m, type = "sss", cluster = "group"), g - 1),
       df_residual = df.residual(m), n = nobs(m))
}
short <- subset(Grunfeld, !(firm %in% c(2, 5, 9) & year < 1941) & !(firm == 7 & year > 1950))
panels <- list(balanced = panel(Grunfeld), unbalanced = panel(short))
panels$balanced$first_difference <- difference(Grunfeld, FALSE)
panels$balanced$first_difference_trend <- difference(Grunfeld, TRUE)
drift <- plm(inv ~ value + as.numeric(as.character(year)), pdata.frame(Grunfeld, index = c("firm", "year")),
             model = "random")
names(drift$coefficients)[3] <- "year"
panels$balanced$random_year <- list(classical = table_of(coef(drift), vcov(drift), df.residual(drift)),
                                    variances = unname(ercomp(drift)$sigma2[c("idios", "id")]))
panels$unbalanced$first_difference <- difference(short, FALSE)

# Within and between parts.
m <- transform(california, str_mean = ave(str, county), english_mean = ave(english, county))
added <- lm(testscr ~ str + english + str_mean + english_mean, m)
fit <- lm(testscr ~ str_within + english_within + str_between + english_between,
          transform(m, str_within = str - str_mean, english_within = english - english_mean, str_between = str_mean,
                    english_between = english_mean))
v <- vcovCR(fit, cluster = m$county, type = "CR2"); test <- coef_test(fit, vcov = v, test = "Satterthwaite")
df <- if (is.null(test$df_Satt)) test$df else test$df_Satt
mundlak <- list(estimates = table_of(coef(fit), as.matrix(v), df),
                equality = htz_of(added, vcovCR(added, cluster = m$county, type = "CR2"),
                                  c("str_mean", "english_mean")))

# Quantile regression.
michigan <- subset(read.csv("data/raw/michigan-2001/wooldridge_meap00_01.csv"), enroll > 0)
michigan <- michigan[complete.cases(michigan[, c("math4", "lunch", "exppp", "enroll")]), ]
michigan$whole <- round(michigan$math4)
quantile_of <- function(f, d, tau, weights = NULL) {
  d$w <- if (is.null(weights)) rep(1, nrow(d)) else d[[weights]]
  unique_ <- TRUE
  fit <- withCallingHandlers(rq(f, tau = tau, data = d, weights = w, method = "br"), warning = function(w) {
    if (grepl("nonunique", conditionMessage(w))) unique_ <<- FALSE
    invokeRestart("muffleWarning")
  })
  r <- residuals(fit)
  list(outcome = all.vars(f)[1], terms = all.vars(f)[-1], quantile = tau, weights = weights, n = nrow(d),
       unique = unique_, coefficients = unname(coef(fit)), loss = sum(d$w * r * (tau - (r < 0))))
}
quantiles <- list()
for (tau in c(.1, .25, .5, .9)) quantiles <- c(quantiles, list(
  c(data = "california", quantile_of(testscr ~ str + english + lunch, california, tau)),
  c(data = "california", quantile_of(testscr ~ str + english + lunch, california, tau, "students")),
  c(data = "michigan", quantile_of(whole ~ lunch + exppp, michigan, tau)),
  c(data = "michigan", quantile_of(whole ~ lunch + exppp, michigan, tau, "enroll"))
))

# A line through two groups: any value between the middle two of an even group fits equally well.
two <- data.frame(y = c(1, 2, 4, 8, 3, 5, 5, 9, 10), x = c(0, 0, 0, 0, 1, 1, 1, 1, 1))
quantiles <- c(quantiles, list(c(data = "two", quantile_of(y ~ x, two, .5))))

packages <- c("sandwich", "clubSandwich", "plm", "quantreg", "jsonlite")
versions <- sapply(packages, function(p) as.character(packageVersion(p)))
write_json(list(
  meta = list(made_with = R.version.string, packages = as.list(versions), script = "tests/golden/r/regression.R"),
  linear = linear, wild = list(counties = chosen, term = "str", terms = c("str", "english"), tests = wilds),
  panels = panels, mundlak = mundlak, quantiles = quantiles
), "tests/golden/data/r/regression.json", digits = NA, auto_unbox = TRUE, null = "null", dataframe = "rows", pretty = 1)
