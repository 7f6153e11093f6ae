# Correlation, collinearity, importance and decomposition in R, for tests/golden/test_association_reference.py.
# Run from the repository root: Rscript tests/golden/r/association.R
suppressMessages({
  library(car)
  library(jsonlite)
  library(lme4)
  library(sandwich)
})

data <- read.csv("data/raw/california-1999/aer_caschools.csv")
data$testscr <- (data$read + data$math) / 2
data$str <- data$students / data$teachers
data$comp_stu <- data$computer / data$students
data$level <- ifelse(data$english < 5, "a low", ifelse(data$english < 20, "b middle", "c high"))
seven <- c("str", "english", "lunch", "calworks", "income", "expenditure", "comp_stu")
n <- nrow(data)
z975 <- qnorm(0.975)

# --- correlations ---------------------------------------------------------------------------------------------------

fisher <- function(r, spread) tanh(atanh(r) + c(-1, 1) * z975 * spread)

pearson <- lapply(seven, function(v) {
  test <- cor.test(data$testscr, data[[v]])
  list(r = test$estimate, t = test$statistic, df = test$parameter, p = test$p.value, interval = test$conf.int)
})
spearman <- lapply(seven, function(v) {
  test <- cor.test(data$testscr, data[[v]], method = "spearman", exact = FALSE)
  r <- unname(test$estimate)
  list(r = r, p = test$p.value, interval = fisher(r, sqrt((1 + r^2 / 2) / (n - 3))))
})
held <- c("income", "level")
partial <- lapply(setdiff(seven, held), function(v) {
  left <- function(y) residuals(lm(reformulate(held, y), data))
  full <- summary(lm(reformulate(c(v, held), "testscr"), data))
  r <- cor(left("testscr"), left(v))
  # The t test of the coefficient is the test of the partial correlation.
  list(r = r, t = full$coefficients[v, "t value"], df = full$df[2], p = full$coefficients[v, "Pr(>|t|)"],
       interval = fisher(r, 1 / sqrt(n - 3 - 3)))
})
effective <- sum(data$students)^2 / sum(data$students^2)
weighted <- lapply(seven, function(v) {
  r <- cov.wt(data[c("testscr", v)], wt = data$students, cor = TRUE)$cor[1, 2]
  z <- atanh(r) * sqrt(effective - 3)
  list(r = r, z = z, p = 2 * pnorm(-abs(z)), interval = fisher(r, 1 / sqrt(effective - 3)))
})

# --- p-values -------------------------------------------------------------------------------------------------------

set.seed(3)
p <- c(runif(30), rbeta(30, 0.3, 4), 0.02, 0.02, 0, 1)
adjusted <- list(p = p, holm = p.adjust(p, "holm"), bh = p.adjust(p, "BH"))

# --- collinearity ---------------------------------------------------------------------------------------------------

all_seven <- lm(reformulate(seven, "testscr"), data)
with_factor <- lm(testscr ~ str + lunch + income + level, data)
x <- model.matrix(all_seven)
d <- svd(sweep(x, 2, sqrt(colSums(x^2)), "/"))$d
blocks <- list(pupils = c("english", "lunch", "calworks"), money = c("income", "expenditure"),
               school = c("str", "comp_stu"))
clustered <- vcovCL(all_seven, cluster = data$county, type = "HC1")
counties <- length(unique(data$county))
block_tests <- lapply(blocks, function(terms) {
  plain <- linearHypothesis(all_seven, paste(terms, "= 0"))
  robust <- linearHypothesis(all_seven, paste(terms, "= 0"), vcov. = clustered)
  list(F = plain$F[2], p = plain$`Pr(>F)`[2], F_cluster = robust$F[2],
       p_cluster = pf(robust$F[2], length(terms), counties - 1, lower.tail = FALSE))
})

# --- importance: every order of entry, one lm a model ---------------------------------------------------------------

orders <- function(items) {
  if (length(items) == 1) return(list(items))
  do.call(c, lapply(items, function(i) lapply(orders(setdiff(items, i)), function(rest) c(i, rest))))
}
average_gains <- function(blocks, worth) {
  known <- new.env()
  of <- function(entered) {
    key <- paste0("blocks:", paste(sort(entered), collapse = ","))
    if (is.null(known[[key]])) known[[key]] <- worth(unlist(blocks[sort(entered)]))
    known[[key]]
  }
  gains <- setNames(numeric(length(blocks)), names(blocks))
  sequences <- orders(names(blocks))
  for (sequence in sequences) {
    before <- of(character(0))
    for (i in seq_along(sequence)) {
      after <- of(sequence[seq_len(i)])
      gains[sequence[i]] <- gains[sequence[i]] + after - before
      before <- after
    }
  }
  gains / length(sequences)
}
r_squared <- function(always = NULL, weights = NULL) function(columns) {
  data$w <- if (is.null(weights)) 1 else data[[weights]]
  summary(lm(reformulate(c("1", always, columns), "testscr"), data, weights = w))$r.squared
}
single <- setNames(as.list(seven), seven)
lmg <- list(
  single = average_gains(single, r_squared()),
  weighted = average_gains(single, r_squared(weights = "students")),
  controlled = average_gains(single[-1], r_squared(always = "str")),
  blocks = average_gains(c(blocks, list(level = "level")), r_squared())
)

# Percentile intervals of a bootstrap of counties, from covariance matrices.
four <- c("str", "lunch", "income", "comp_stu")
subsets <- lapply(0:15, function(code) which(bitwAnd(code, 2^(0:3)) > 0))
from_covariance <- function(rows) {
  s <- cov(data[rows, c(four, "testscr")])
  worth <- sapply(subsets, function(k) if (length(k)) drop(s[5, k] %*% solve(s[k, k], s[k, 5])) / s[5, 5] else 0)
  sapply(1:4, function(i) {
    without <- which(bitwAnd(0:15, 2^(i - 1)) == 0)
    size <- lengths(subsets[without])
    sum((worth[without + 2^(i - 1)] - worth[without]) * factorial(size) * factorial(3 - size) / factorial(4))
  })
}
set.seed(11)
rows_of <- split(seq_len(n), data$county)
draws <- t(replicate(4000, from_covariance(unlist(sample(rows_of, replace = TRUE)))))
bootstrap <- list(low = apply(draws, 2, quantile, 0.025), high = apply(draws, 2, quantile, 0.975),
                  first = tabulate(apply(draws, 1, which.max), 4) / nrow(draws))

# --- importance for the variance between counties, districts as the rows within them ---------------------------------

county_mean <- function(v) ave(data[[v]], data$county)
data$county_english <- county_mean("english")
data$county_lunch <- county_mean("lunch")
data$county_income <- county_mean("income")
data$county_str <- county_mean("str")
county_blocks <- list(pupils = c("county_english", "county_lunch"), money = "county_income", staff = "county_str")
within <- sum(residuals(lm(testscr ~ county, data))^2)
sigma2 <- within / (n - counties)
member <- model.matrix(~ 0 + county, data)
tau2 <- function(columns) {
  model <- lm(reformulate(c("1", columns), "testscr"), data)
  hat <- { x <- model.matrix(model); x %*% solve(crossprod(x), t(x)) }
  p <- model$rank
  (sum(residuals(model)^2) - within - sigma2 * (counties - p)) / (n - sum(diag(t(member) %*% hat %*% member)))
}
anova_table <- anova(lm(testscr ~ county, data))
sizes <- table(data$county)
usual_size <- (n - sum(sizes^2) / n) / (counties - 1)
between <- list(
  tau2_anova = (anova_table$`Mean Sq`[1] - anova_table$`Mean Sq`[2]) / usual_size, tau2_null = tau2(NULL),
  shares = average_gains(county_blocks, function(columns) 1 - tau2(columns) / tau2(NULL)),
  controlled = average_gains(county_blocks[c("pupils", "money")],
                             function(columns) (tau2("county_str") - tau2(c("county_str", columns))) / tau2(NULL))
)

# Pupils in schools by restricted maximum likelihood: another estimator of the same share, so equal only roughly.
pupils <- read.csv("tests/golden/data/hsb82.csv")
pupils$minorities <- ave(pupils$minority, pupils$school)
left <- function(formula) as.numeric(VarCorr(lmer(formula, pupils))$school)
between$total_reml <- 1 - left(score ~ mean_ses + catholic + minorities + (1 | school)) / left(score ~ (1 | school))

# --- Gelbach's decomposition: all equations stacked, sandwich, delta method -------------------------------------------

gelbach <- function(base, added, cluster, weights) {
  x1 <- model.matrix(reformulate(base), data)
  x2 <- as.matrix(data[unlist(added)])
  w <- if (is.null(weights)) rep(1, n) else data[[weights]]
  equations <- c(list(list(y = data$testscr, x = x1), list(y = data$testscr, x = cbind(x1, x2))),
                 lapply(colnames(x2), function(v) list(y = x2[, v], x = x1)))
  widths <- sapply(equations, function(e) ncol(e$x))
  starts <- cumsum(c(0, widths))
  stacked <- do.call(rbind, lapply(seq_along(equations), function(i) {
    block <- matrix(0, n, sum(widths))
    block[, starts[i] + seq_len(widths[i])] <- equations[[i]]$x
    block
  }))
  stack <- data.frame(y = unlist(lapply(equations, `[[`, "y")), w = rep(w, length(equations)))
  stack$x <- stacked
  model <- lm(y ~ 0 + x, stack, weights = w)
  id <- if (is.null(cluster)) seq_len(n) else as.integer(factor(data[[cluster]]))
  clusters <- length(unique(id))
  k <- ncol(x1) + ncol(x2)
  v <- vcovCL(model, cluster = rep(id, length(equations)), type = "HC0", cadjust = FALSE) *
    clusters / (clusters - 1) * (n - 1) / (n - k)
  b <- coef(model)
  at_long <- starts[2]
  lapply(setNames(seq_along(base), base), function(j) {
    of <- function(gradient) list(estimate = sum(gradient$value), se = sqrt(drop(t(gradient$by) %*% v %*% gradient$by)))
    contrast <- numeric(length(b))
    contrast[c(j + 1, at_long + j + 1)] <- c(1, -1)
    parts <- lapply(added, function(columns) {
      by <- numeric(length(b))
      value <- 0
      for (l in match(columns, colnames(x2))) {
        at_gamma <- starts[2 + l] + j + 1
        at_b2 <- at_long + ncol(x1) + l
        by[at_gamma] <- b[at_b2]
        by[at_b2] <- b[at_gamma]
        value <- value + b[at_gamma] * b[at_b2]
      }
      of(list(value = value, by = by))
    })
    list(short = unname(b[j + 1]), long = unname(b[at_long + j + 1]),
         difference = of(list(value = sum(contrast * b), by = contrast)), parts = parts)
  })
}
resampled <- function(base, added, draws) {
  x1 <- model.matrix(reformulate(base), data)
  x2 <- as.matrix(data[unlist(added)])
  replicate(draws, {
    rows <- sample(n, replace = TRUE)
    b <- lm.fit(cbind(x1, x2)[rows, ], data$testscr[rows])$coefficients
    gamma <- lm.fit(x1[rows, ], x2[rows, ])$coefficients
    sapply(added, function(columns) (gamma[, columns, drop = FALSE] %*% b[columns])[2])
  })
}
base <- c("str", "comp_stu")
added <- list(pupils = c("english", "lunch"), money = "income")
set.seed(5)
decomposition <- list(
  robust = gelbach(base, added, NULL, NULL), cluster = gelbach(base, added, "county", NULL),
  weighted = gelbach(base, added, "county", "students"),
  bootstrap_se_of_str = apply(resampled(base, added, 4000), 1, sd)
)

result <- list(
  meta = list(
    r = R.version.string,
    packages = lapply(list(car = "car", lme4 = "lme4", sandwich = "sandwich", jsonlite = "jsonlite"),
                      function(p) as.character(packageVersion(p))),
    data = c("data/raw/california-1999/aer_caschools.csv", "tests/golden/data/hsb82.csv")
  ),
  correlation = list(
    pearson = setNames(pearson, seven), spearman = setNames(spearman, seven),
    partial = setNames(partial, setdiff(seven, held)), weighted = setNames(weighted, seven), effective = effective
  ),
  p_adjust = adjusted,
  vif = as.list(vif(all_seven)), gvif = as.data.frame(vif(with_factor)), condition_index = max(d) / min(d),
  block_tests = block_tests, lmg = lapply(lmg, as.list), bootstrap = bootstrap,
  between = list(tau2_anova = between$tau2_anova, tau2_null = between$tau2_null, total_reml = between$total_reml,
                 shares = as.list(between$shares), controlled = as.list(between$controlled)),
  decomposition = decomposition
)
write(toJSON(result, digits = NA, auto_unbox = TRUE, pretty = 1), "tests/golden/data/r/association.json")
