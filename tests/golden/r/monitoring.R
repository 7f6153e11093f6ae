# Answers for tests/golden/test_monitoring_reference.py. Run from the root of the repository:
#   Rscript tests/golden/r/monitoring.R
# Reads tests/golden/data/survey_api*.csv and nlme::MathAchieve, writes tests/golden/data/r/monitoring.json.
suppressPackageStartupMessages({
  library(jsonlite); library(lme4); library(survey); library(mice); library(ordinal); library(nlme)
})
data_dir <- "tests/golden/data"
packages <- c("lme4", "survey", "mice", "ordinal", "nlme")

# --- one-way random effects: High School and Beyond, 160 schools ------------------------------------------------
hsb <- data.frame(school = as.character(MathAchieve$School), y = MathAchieve$MathAch)
mean_j <- tapply(hsb$y, hsb$school, mean)
schools <- data.frame(
  school = names(mean_j), n = as.vector(tapply(hsb$y, hsb$school, length)), mean = as.vector(mean_j),
  within_ss = as.vector(tapply(hsb$y, hsb$school, function(v) sum((v - mean(v))^2)))
)
one_way <- function(rows, reml) {
  fit <- lmer(y ~ 1 + (1 | school), rows, REML = reml,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  u <- ranef(fit, condVar = TRUE)$school
  list(tau2 = as.data.frame(VarCorr(fit))$vcov[1], sigma2 = sigma(fit)^2, mean = unname(fixef(fit)),
       mean_se = sqrt(as.matrix(vcov(fit))[1, 1]), logLik = as.numeric(logLik(fit)), school = rownames(u),
       effect = u[, 1], post_sd = sqrt(as.vector(attr(u, "postVar"))))
}
few <- hsb[hsb$school %in% schools$school[c(1:4, 20, 33, 61, 102)], ]  # eight schools of 20 to 60 students
anova_table <- anova(lm(y ~ factor(school), hsb))
hsb_out <- list(
  schools = schools, REML = one_way(hsb, TRUE), ML = one_way(hsb, FALSE), few_REML = one_way(few, TRUE),
  few = unique(few$school), anova = list(F = anova_table[1, "F value"], p = anova_table[1, "Pr(>F)"],
                                         MSB = anova_table[1, "Mean Sq"], MSW = anova_table[2, "Mean Sq"]),
  variance_of_students = var(hsb$y)
)

# --- clustered and stratified samples -----------------------------------------------------------------------------
clus <- read.csv(file.path(data_dir, "survey_apiclus1.csv"))
strat <- read.csv(file.path(data_dir, "survey_apistrat.csv"))
designs <- list(
  clus = svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = clus),
  clus_no_fpc = svydesign(id = ~dnum, weights = ~pw, data = clus),
  strat = svydesign(id = ~1, strata = ~stype, weights = ~pw, fpc = ~fpc, data = strat)
)
variables <- c("api00", "api99", "enroll", "meals", "full")
one_design <- function(d) {
  m <- svymean(~api00 + api99 + enroll + meals + full, d)
  total <- svytotal(~enroll, d)
  ratio <- svyratio(~api.stu, ~enroll, d)
  shares <- list()
  for (domain in c("all", "E", "H", "M")) {
    sub <- if (domain == "all") d else subset(d, stype == domain)
    p <- svymean(~I(sch.wide == "Yes"), sub)
    entry <- list(share = unname(coef(p)[2]), se = unname(SE(p)[2]), df = degf(sub), n = nrow(sub$variables))
    for (method in c("logit", "beta", "xlogit")) {
      entry[[method]] <- as.vector(confint(svyciprop(~I(sch.wide == "Yes"), sub, method = method, df = degf(sub))))
    }
    shares[[domain]] <- entry
  }
  list(mean = as.list(coef(m)), se = as.list(SE(m)), df = degf(d), ci = confint(m, df = degf(d)),
       total = as.numeric(total), total_se = as.numeric(SE(total)),
       ratio = as.numeric(coef(ratio)), ratio_se = as.numeric(SE(ratio)),
       deff = as.numeric(deff(svymean(~api00, d, deff = TRUE))),
       deff_replace = as.numeric(deff(svymean(~api00, d, deff = "replace"))),
       variance = as.numeric(svyvar(~api00, d)), shares = shares)
}
survey_out <- lapply(designs, one_design)

# --- plausible values ------------------------------------------------------------------------------------------
pools <- list(
  list(q = c(503.1, 498.7, 501.9, 505.5, 499.2), u = c(16.2, 15.1, 17.8, 16.9, 15.6), n = 31),
  list(q = c(0.21, 0.34, 0.27), u = c(0.004, 0.006, 0.005), n = 12),
  list(q = c(2.1, 2.4, 1.9, 2.2, 2.0, 2.6, 2.3, 1.8, 2.2, 2.1), u = rep(0.001, 10), n = 200),
  list(q = c(503.1, 498.7, 501.9, 505.5, 499.2), u = c(16.2, 15.1, 17.8, 16.9, 15.6), n = Inf)
)
pool_out <- lapply(pools, function(p) {
  r <- pool.scalar(p$q, p$u, n = p$n, k = 1)
  list(q = p$q, u = p$u, df_complete = if (is.finite(p$n)) p$n - 1 else NULL, estimate = r$qbar, within = r$ubar,
       between = r$b, total = r$t, df = r$df, fmi = r$fmi)
})

# --- ordered probit on counts per level ------------------------------------------------------------------------
hsb$level <- cut(hsb$y, c(-Inf, 6, 13, 19, Inf), labels = FALSE)
chosen <- schools$school[c(3, 8, 14, 25, 37, 52, 70, 88, 101, 119, 133, 150)]
rows <- hsb[hsb$school %in% chosen, ]
counts <- unclass(table(factor(rows$school, chosen), factor(rows$level, 1:4)))
p_g <- rowSums(counts) / sum(counts)
# From any identification (mu, log sd, cuts) to population mean 0 and variance 1.
standard <- function(mu, log_sd, cuts) {
  m <- sum(p_g * mu)
  s <- sqrt(sum(p_g * ((mu - m)^2 + exp(2 * log_sd))))
  list(mean = (mu - m) / s, sd = exp(log_sd) / s, cuts = (cuts - m) / s, icc = sum(p_g * ((mu - m) / s)^2))
}
with_se <- function(map, coefficients, covariance) {
  base <- unlist(map(coefficients))
  jacobian <- sapply(seq_along(coefficients), function(i) {
    h <- 1e-5
    up <- down <- coefficients
    up[i] <- up[i] + h
    down[i] <- down[i] - h
    (unlist(map(up)) - unlist(map(down))) / (2 * h)
  })
  se <- sqrt(pmax(0, rowSums((jacobian %*% covariance) * jacobian)))
  g <- length(p_g)
  list(mean = unname(base[1:g]), sd = unname(base[g + 1:g]), cuts = unname(base[2 * g + 1:3]),
       icc = unname(base[2 * g + 4]), mean_se = unname(se[1:g]), sd_se = unname(se[g + 1:g]),
       icc_se = unname(se[2 * g + 4]))
}
long <- data.frame(level = factor(rep(1:4, each = nrow(counts))), school = factor(rep(chosen, 4), chosen),
                   count = as.vector(counts))
tight <- clm.control(gradTol = 1e-10, maxIter = 500)
het <- clm(level ~ school, scale = ~school, weights = count, data = long, link = "probit", control = tight)
hom <- clm(level ~ school, weights = count, data = long, link = "probit", control = tight)
g <- nrow(counts)
map_het <- function(b) standard(c(0, b[3 + 1:(g - 1)]), c(0, b[3 + g - 1 + 1:(g - 1)]), b[1:3])
map_hom <- function(b) standard(c(0, b[3 + 1:(g - 1)]), rep(0, g), b[1:3])
het_out <- with_se(map_het, c(het$alpha, het$beta, het$zeta), vcov(het))
hom_out <- with_se(map_hom, c(hom$alpha, hom$beta), vcov(hom))

# The same with schools whose spread is the student-weighted mean of the others' log sd, by optim.
sparse <- rbind(counts[1:6, ], A = c(0, 9, 11, 0), B = c(4, 0, 0, 6), C = c(3, 5, 4, 2))
pooled <- c(rep(FALSE, 6), TRUE, TRUE, TRUE)
p_g <- rowSums(sparse) / sum(sparse)
own <- p_g[!pooled] / sum(p_g[!pooled])
unpack <- function(b) {
  log_sd <- numeric(9)
  log_sd[!pooled] <- b[9 + 1:6]
  log_sd[pooled] <- sum(own * b[9 + 1:6])
  list(mu = b[1:9], log_sd = log_sd, cuts = c(-1, b[16], 1))
}
loglik <- function(b) {
  x <- unpack(b)
  z <- outer(seq_len(9), 1:3, function(i, k) (x$cuts[k] - x$mu[i]) / exp(x$log_sd[i]))
  p <- cbind(pnorm(z), 1) - cbind(0, pnorm(z))
  sum(ifelse(sparse > 0, sparse * log(pmax(p, 1e-300)), 0))
}
fit <- list(par = c(rep(0, 15), 0))
for (i in 1:6) {
  fit <- optim(fit$par, function(b) -loglik(b), method = "BFGS", control = list(maxit = 5000, reltol = 1e-16))
}
fit <- optim(fit$par, function(b) -loglik(b), method = "BFGS", hessian = TRUE,
             control = list(maxit = 5000, reltol = 1e-16, ndeps = rep(1e-4, 16)))
map_sparse <- function(b) { x <- unpack(b); standard(x$mu, x$log_sd, x$cuts) }
sparse_out <- with_se(map_sparse, fit$par, solve(fit$hessian))

result <- list(
  made_with = R.version.string,
  packages = as.list(sapply(packages, function(p) as.character(packageVersion(p)))),
  hsb = hsb_out, survey = survey_out, pool = pool_out,
  ordered_probit = list(
    counts = unname(counts), het = c(het_out, logLik = as.numeric(het$logLik)),
    hom = c(hom_out, logLik = as.numeric(hom$logLik)),
    sparse_counts = unname(sparse), sparse = c(sparse_out, logLik = -fit$value)
  )
)
dir.create(file.path(data_dir, "r"), showWarnings = FALSE)
text <- toJSON(result, digits = NA, auto_unbox = TRUE, null = "null", dataframe = "columns")
write(text, file.path(data_dir, "r", "monitoring.json"))
