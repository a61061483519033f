"""Names and arguments of other packages, and what to write for them here: one table for all errors that say so.

`SAYS` holds names of results and functions, `OF_CLASS` those that mean something of one class alone, `ARGUMENTS` those
of keyword arguments. A class that derives from `AnswersOtherNames` answers them when an attribute is missing; each
function that is a door (``memory.door``) answers them when an argument is.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, UnknownArgumentError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["AnswersOtherNames", "closest", "explain_call", "missing_attribute", "missing_function"]

_FIT = "lmt.lmm(formula, data).fit()"
_MODES = "write fit.random_effects, modes by factor; fit.ranef_frame() has their standard errors"
_VARIANCES = "write fit.varcorr; fit.varcorr.to_frame() has variances and correlations of every grouping factor"
_COMPONENTS = "write len(fit.varcorr.to_frame()): correlated effects and components stand in one table"
_MEANS = "write fit.marginal_means(factors)"
_PAIRS = "write fit.pairwise(factors), all differences of marginal means"
_TESTS = "write fit.tests(), t tests of the fixed effects with degrees of freedom"
_SANDWICH = 'write {}; with cov="CR2", cluster-robust ones by clusters of rows'
_PLOTS = "write fit.plot, which has the plots of a fit as methods"
_NORMAL_ALONE = "lmmtools fits linear mixed models with normal errors alone"
_SUBSET = "write the DataFrame's rows: lmt.lmm(formula, data[rows])"
_LINEAR = "write fit.t_test(constraints), for linear functions; others by fit.bootstrap(statistic=...)"

_PROBES = {
    "fit_engine": "marginaleffects does not know fits of lmmtools by themselves: write "
    "fit.marginal.avg_predictions(...) and so on, which have degrees of freedom, or give them fit.marginal.model",
}
"""Name that a package asks for, last of all, where it does not know a kind of fit -> what to write."""

TYPED = 0.75
"""Likeness (difflib's ratio) from which an attribute is taken for a known one with a typing error."""


def _for_all(names: str, text: str) -> dict[str, str]:
    """Return one text for each of several names."""
    return dict.fromkeys(names.split(), text)


SAYS: dict[str, str] = {
    # lme4, lmerTest and nlme
    **_for_all("lmer Lmer lme gls lmList", f"write {_FIT}"),
    **_for_all("glmer nlmer glmmTMB glm logit bglmer", _NORMAL_ALONE),
    **_for_all("lmerControl glmerControl lmeControl", "write fit(max_iter=..., tol=...); no optimiser is to be chosen"),
    **_for_all("fixef coefs beta fixed_effects fe_coefs", "write fit.params"),
    **_for_all("ranef re_coefs BLUPs blup", _MODES),
    "VarCorr": _VARIANCES,
    **_for_all("ranef_var varcomp variance_components random_effects_var", _VARIANCES),
    **_for_all("vcov cov vcov_fixed", "write fit.cov_params(), the covariance of the fixed effects"),
    **_for_all("confint confint_ conf_ints", 'write fit.conf_int(), also with method="profile" or "boot"'),
    "isSingular": "write fit.is_singular; fit.boundary says which variance is zero",
    **_for_all("check_singularity is_boundary singular", "write fit.is_singular; fit.boundary says what is zero"),
    **_for_all("isREML is_reml", "write fit.reml"),
    **_for_all("isLMM isGLMM isNLMM", f"every fit here is a linear mixed model; {_NORMAL_ALONE}"),
    "getME": "write fit.design.X, .y and .blocks, fit.theta, fit.params: the arrays have names",
    **_for_all("getData get_data model_frame modelframe frame data", "write fit.design.frame, the rows used"),
    **_for_all("modelmatrix model_matrix get_modelmatrix design_matrix", "write fit.design.X, with fit.design.x_names"),
    **_for_all("logLik loglik loglike log_likelihood logLike log_lik", "write fit.llf"),
    **_for_all("AIC extractAIC", "write fit.aic"),
    "BIC": "write fit.bic",
    **_for_all("deviance REMLcrit devcomp criterion", "write fit.objective, -2 log-likelihood (REML or ML)"),
    **_for_all("fitted fitted_values fits yhat", "write fit.fittedvalues"),
    **_for_all("fvalues predicted", "write fit.fittedvalues"),
    **_for_all("rstudent rstandard stdresid", 'write fit.residuals("studentized") or fit.residuals("standardized")'),
    **_for_all("resid_response resid_pearson", 'write fit.residuals(kind), by default "conditional"'),
    **_for_all("hatvalues hat leverage leverages", "write fit.hat_values"),
    **_for_all("cooks_d cooksd cooks dfbetas dfbeta get_influence outlier_test", "write fit.influence()"),
    **_for_all("ngrps n_groups nlevels num_groups", "write fit.ngroups"),
    **_for_all("n_obs n_observations nobs_", "write fit.nobs"),
    **_for_all("df_residual df_resid_", "write fit.df_resid"),
    **_for_all("refitML refit_ml", "write fit.model and fit again by reml=False, or fit.update('~ .', reml=False)"),
    **_for_all("bootMer boot confint_boot", "write fit.bootstrap(n, statistic)"),
    **_for_all("PBmodcomp pb_test", "write lmt.bootstrap_test(smaller, larger)"),
    **_for_all("KRmodcomp SATmodcomp", 'write fit.f_test(constraints, ddf="kenward-roger")'),
    **_for_all("rePCA rePCA_", "write fit.repca()"),
    **_for_all("rand", "write fit.ranova()"),
    **_for_all("ls_means lsmeansLT lsmeans ls_mean lsmean emmeans emmean", _MEANS),
    **_for_all("estimate_means model_means empredict ref_grid", _MEANS),
    **_for_all("difflsmeans pairs post_hoc posthoc tukey tukey_hsd TukeyHSD", _PAIRS),
    **_for_all("estimate_contrasts pairwise_tukeyhsd t_test_pairwise glht", _PAIRS),
    **_for_all("contrast contest contestMD contest1D", "write fit.contrasts(factors, method=...), or fit.t_test(...)"),
    **_for_all("emtrends estimate_slopes lstrends trends", "write fit.marginal_means(factors, slope_of=covariate)"),
    **_for_all("Anova anova_table", "write fit.anova(), an F test of each term"),
    **_for_all("cld compact_letters letters", "write fit.marginal_means(factors).cld()"),
    "regrid": 'write fit.marginal_means(factors, type="response") for a transformed response',
    **_for_all(
        "eff_size effectsize effect_size", "write fit.cohens_d(factors), fit.eta_squared(), fit.r2() or fit.icc()"
    ),
    **_for_all("emmip plot_model plot_effects ggpredict ggeffect allEffects", "write fit.plot.effects(variable)"),
    **_for_all("dotplot qqmath plot_ranef", "write fit.plot.caterpillar(factor)"),
    **_for_all("check_model qqnorm", _PLOTS),
    **_for_all(
        "check_normality check_heteroscedasticity check_homogeneity check_outliers ncvTest outlierTest",
        "write fit.residual_tests()",
    ),
    **_for_all("vif VIF check_collinearity gvif condition_number", "write fit.collinearity()"),
    **_for_all(
        "omega_squared epsilon_squared eta_sq omega_sq partial_eta_squared", "write fit.eta_squared(), which has all"
    ),
    **_for_all("vcovCR vcovCL robust_cov", 'write fit.cov_params("CR2")'),
    **_for_all("coef_test", 'write fit.tests(cov="CR2")'),
    **_for_all("Wald_test", 'write fit.f_test(constraints, cov="CR2"), or fit.anova(cov="CR2")'),
    **_for_all(
        "check_convergence allFit convergence", "write fit.certificate; fit.confirm() searches again by MixedLM"
    ),
    # performance, MuMIn, broom, modelsummary
    **_for_all("performance model_performance", "write fit.glance(), fit.r2() and fit.icc()"),
    **_for_all("r2_nakagawa rsquared rsquared_adj r_squaredGLMM R2 r_squared", "write fit.r2()"),
    **_for_all("ICC intraclass", "write fit.icc()"),
    **_for_all("compare_performance model_sel", "write lmt.anova(m0, m1), or lmt.tables.side_by_side"),
    **_for_all(
        "table tab_model modelsummary stargazer texreg screenreg sjplot", "write lmt.tables.side_by_side([fit, ...])"
    ),
    **_for_all("summary_col etable", "write lmt.tables, which has side_by_side, etable and summary_col"),
    **_for_all("dredge stepAIC", "write fit.step(), backward elimination, or fit.drop1()"),
    **_for_all("simulateResiduals DHARMa", "write fit.quantile_residuals()"),
    **_for_all("equatiomatic", "write fit.to_report(path), a page, or lmt.translate(fit)"),
    **_for_all("powerSim simr", "write lmt.power(...)"),
    **_for_all("ranef_se se_ranef condVar", "write fit.ranef_frame(), or fit.random_effects_cov"),
    **_for_all("std_errors se stderr std_error se_fixef standard_errors", "write fit.bse"),
    **_for_all("tstats tstat t_values zvalues z_values", "write fit.tvalues"),
    **_for_all("pvalue p_values pval p_value", "write fit.pvalues (normal), or fit.tests() with degrees of freedom"),
    **_for_all("coefficients coef_ intercept_ params_ coef_table result_fit", "write fit.params, or fit.tests()"),
    **_for_all("residual_variance var_resid sigma2 sigma_sq", "write fit.scale, sigma squared"),
    # marginaleffects
    **{
        name: f"write fit.marginal.{name}(...)"
        for name in ("predictions", "avg_predictions", "comparisons", "avg_comparisons", "slopes", "avg_slopes")
    },
    **_for_all("margins get_margeff avg_marginal_effects", "write fit.marginal.avg_slopes(...)"),
    **_for_all("hypotheses linear_hypothesis linearHypothesis", "write fit.f_test(constraints), or fit.t_test"),
    **_for_all("plot_predictions plot_slopes plot_comparisons", "write fit.plot.effects(variable)"),
    # statsmodels
    **_for_all("MixedLM mixedlm", f"write {_FIT}; .fit(engine='mixedlm') is statsmodels' own search"),
    **_for_all("ols OLS gee GEE BinomialBayesMixedGLM", "write statsmodels' own; lmmtools has mixed models alone"),
    "cov_re": _VARIANCES,
    "vcomp": "write fit.varcorr.to_frame(), where every component has its row",
    "wald_test": "write fit.f_test(constraints), or fit.t_test(constraints) for one at a time",
    "wald_test_terms": "write fit.anova(), an F test of each term",
    "compare_lr_test": "write lmt.anova(m0, m1)",
    "compare_f_test": "write lmt.anova(m0, m1), or fit.f_test(constraints)",
    "anova_lm": "write fit.anova() for one fit, lmt.anova(m0, m1) for several",
    **_for_all(
        "ssr centered_tss ess mse_resid", "write fit.anova(), or lmt.anova(m0, m1): sums of squares do not test"
    ),
    **_for_all("get_prediction summary_frame", "write fit.predict(data, interval=...), or fit.predict(data)"),
    "summary2": "write fit.summary()",
    "save": "write fit.to_json(path), which lmt.read_json(path) reads, or pickle the fit",
    "load": "write lmt.read_json(path) for what fit.to_json(path) wrote, or unpickle the fit",
    "load_pickle": "write lmt.read_json(path) for what fit.to_json(path) wrote, or unpickle the fit",
    "remove_data": "write fit.to_json(path): the record of a fit has no data in it",
    "bse_re": "write fit.varcorr_bse, standard errors on the scale of the data (MixedLM's are those of ratios)",
    "cov_re_unscaled": "write fit.theta, or fit.varcorr.to_frame() with vcov divided by fit.scale",
    "k_re": "write len(fit.varcorr.to_frame()), or fit.ngroups: every grouping factor has effects here",
    "k_re2": "write len(fit.theta), the number of variance parameters of all grouping factors",
    "k_vc": _COMPONENTS,
    "hist": "write fit.certificate, which says how far from the optimum the search ended",
    "profile_re": 'write fit.profile(), or fit.conf_int(method="profile")',
    "df_modelwc": "write fit.k_fe for the fixed effects, or fit.k_params, which counts the variances too",
    "k_constant": 'write "Intercept" in fit.params.index',
    "normalized_cov_params": "write fit.cov_params(), on the scale of the data and of the fixed effects alone",
    "params_object": "write fit.params and fit.theta",
    "use_sqrt": "write fit.theta: the search is always over factors of the covariance matrices",
    "cov_pen": "write fit.mixedlm.cov_pen; nothing is penalised here",
    "initialize": f"write {_FIT}, which makes a new fit",
    "fit_regularized": f"write {_FIT}: nothing is penalised here",
    "get_nlfun": _LINEAR,
    **_for_all("bsejac bsejhj HC0_se HC1_se HC3_se", _SANDWICH.format("fit.tests(), which has std_error")),
    **_for_all("covjac covjhj get_robustcov_results", _SANDWICH.format("fit.cov_params()")),
    "score_obsv": "write fit.certificate, which has the gradient of the criterion",
    "hessv": "write fit.varcorr_bse, what follows from the curvature of the criterion",
    "freepat": "write the constraint into the formula: (x || g) for effects without correlation",
    # scikit-learn and others
    **_for_all("transform fit_transform partial_fit", f"write {_FIT}"),
    **_for_all("score R2_score", "write fit.r2()"),
    **_for_all("get_params set_params", "write fit.formula: a fit is no estimator of scikit-learn"),
    **_for_all("to_dataframe to_pandas to_df as_frame", "write fit.tests().to_frame(), or fit.tidy()"),
    **_for_all(
        "to_latex to_markdown to_html to_text as_latex as_text as_html as_csv",
        "write fit.summary().to_latex(), .to_markdown(), .to_html() or str(fit.summary())",
    ),
    **_for_all("load_dataset get_dataset get_rdataset data_sets load_data", "write lmt.datasets.load(name)"),
    **_for_all("read_fit load_json from_json", "write lmt.read_json(path)"),
    **_for_all("read_summary parse_summary", "write lmt.read_printout(text)"),
}
"""Name of a function or of an attribute of a result -> what to write; a result is called fit."""

# Of a result that is read otherwise than by the same name of the fit.
_PRINTED = "print it, or write to_frame(), to_markdown() or to_latex()"
_INSIDE = "write fit.mixedlm.model, MixedLM's own, where it can express the model"
_OF_GROUPS = "write fit.design.blocks, one term each, for the rows' groups, and fit.ngroups for their number"
_ANOVA = "write fit.anova() for tests of the terms: least squares' sums of squares do not test them in a mixed model"

OF_CLASS: dict[str, dict[str, str]] = {
    "Model": {
        **_for_all("reml REML", "write .fit(reml=True) or .fit(reml=False)"),
        **_for_all("nobs n_obs", "write .design.n"),
        **_for_all("exog X", "write .design.X"),
        **_for_all("endog y", "write .design.y"),
        **_for_all("exog_names", "write .design.x_names"),
        **_for_all("groups n_groups ngroups exog_re exog_vc", "write .design.blocks, one term each"),
        "from_formula": "write lmt.lmm(formula, data)",
        "data": "write .design.frame, the rows used",
        **_for_all(
            "predict simulate summary params tests anova random_effects", "write .fit() first: these are of a fit"
        ),
    },
    "Printable": {
        "summary": _PRINTED,
        **_for_all("as_latex as_text as_html as_csv", "write to_latex(), str(...), to_html() or to_frame()"),
    },
    "Tabular": {
        **_for_all("to_gt to_great_table GT", "write to_great_tables()"),
        **_for_all("to_polars", "write polars.DataFrame(table)"),
        **_for_all("summary_frame to_dataframe to_pandas to_df as_frame frame table data", "write to_frame()"),
    },
    "MarginalMeans": {
        **_for_all("pairs pairwise", _PAIRS),
        **_for_all("contrast contrasts", "write fit.contrasts(factors, method=...)"),
        **_for_all("regrid on_response back_transform", 'write fit.marginal_means(factors, type="response")'),
        **_for_all("emmean mean means", "write estimate"),
        **_for_all("std_error bse", "write se"),
        **_for_all(
            "conf_int confint", "write lower and upper; fit.marginal_means(factors, alpha=...) has other levels"
        ),
        "plot": "write fit.plot.means(factors)",
        **_for_all("compact_letters CLD", "write cld()"),
    },
    "FitRecord": _for_all(
        "report to_report plot simulate bootstrap profile refit ranova drop1 step influence augment residuals resid",
        "it needs the fit with its data: pickle keeps that, a record does not",
    ),
    "ContrastTests": {
        "effect": "write estimate",
        **_for_all("sd se bse", "write std_error"),
        **_for_all("tvalue statistic tvalues", "write t"),
        **_for_all("pvalue pvalues p_value", "write p"),
        "df_denom": "write df",
        **_for_all("conf_int confint", "write fit.conf_int(ddf=...), for the fixed effects themselves"),
    },
    "FTest": {
        **_for_all("fvalue statistic", "write F"),
        **_for_all("pvalue p_value", "write p"),
        "df_num": "write num_df",
        "df_denom": "write den_df",
    },
    "FittedModel": {
        **_for_all("groups group_labels group_list row_indices endog_li exog_li", _OF_GROUPS),
        "n_groups": "write fit.ngroups, one number per grouping factor",
        "data": f"write fit.design, or the DataFrame that was given to lmm(). For anova_lm: {_ANOVA}",
        **_for_all("nobs n_totobs", "write fit.nobs"),
        **_for_all("k_fe k_params reml", "write the same of the fit: fit.k_fe, fit.k_params, fit.reml"),
        **_for_all("fit from_formula initialize", f"write {_FIT}, or fit.refit(y)"),
        "fit_regularized": f"write {_FIT}: nothing is penalised here",
        "predict": "write fit.predict(data, random=False)",
        "loglike": "write fit.llf, at the optimum",
        **_for_all("score score_full score_sqrt hessian information", "write fit.certificate"),
        "get_fe_params": "write fit.params",
        "get_scale": "write fit.scale",
        "get_distribution": "write fit.simulate(n)",
        **_for_all("cov_pen fe_pen re_pen use_sqrt k_constant", _INSIDE),
        **_for_all("exog_re exog_re_li exog_re2_li exog_vc", "write fit.design.blocks, one term each"),
        **_for_all("k_re k_re2 k_vc", "write len(fit.varcorr.to_frame())"),
    },
}
"""Class -> name of an attribute -> what to write."""

_GROUPS = 'write the random effects into the formula: "y ~ x + (1 | g)", or random=lmt.random("g")'
_MIXEDLM_SUMMARY = (
    "write summary(), in lme4's layout; MixedLM's own, on the right scale, with its title and names, is "
    "lmt.patch_summary(fit.mixedlm).summary(...)"
)

ARGUMENTS: dict[str, str] = {
    **_for_all("REML is_reml method_reml", "write reml=True or reml=False"),
    **_for_all("seed random_state rng_seed", "write rng=, a seed or a NumPy Generator"),
    **_for_all(
        "re_form reform re_formula_ use_re ReForm include_random",
        'write random=True for all random effects, random=False for none, or the factors, random=["g"]',
    ),
    **_for_all("use_u", 'write random="fitted" to keep the modes, random="new" to draw new effects'),
    **_for_all("contrasts contrast_coding", 'write the coding into the formula: "y ~ C(f, contr.sum) + (1 | g)"'),
    **_for_all("newdata new_data exog X newx", "write data=; without random effects: random=False"),
    "transform": "columns of new data are always transformed as the formula says",
    **_for_all("allow_new_levels allow_new sample_new_levels", 'write unseen="population"'),
    **_for_all("se_fit return_se return_std se", 'write interval="confidence", which adds standard errors and limits'),
    **_for_all(
        "level conf_level confidence ci ci_level conf cl coverage",
        "write alpha=, one less the level: alpha=0.05 for 95%",
    ),
    **_for_all(
        "lmer_df lmerdf ddf_method df_method dof df use_t test_method",
        'write ddf="satterthwaite", "kenward-roger", "residual" or "z"',
    ),
    **_for_all("specs spec terms factor variables", "write the factors as the first argument"),
    **_for_all("var trend", "write slope_of=, a covariate"),
    **_for_all("typ type_ ss_type", "write type=3, 2 or 1"),
    **_for_all("p_adjust adjust_method padjust correction adjustment multitest_method", "write adjust="),
    **_for_all(
        "nsim n_sim draws n_boot nboot B reps n_draws n_samples n_iter iterations R times",
        "write n=, the number of draws",
    ),
    **_for_all("FUN func stat", "write statistic=, a function of a fit"),
    **_for_all(
        "n_cpus ncpus cores n_cores parallel cl_ workers njobs num_workers", "write n_jobs=, the number of processes"
    ),
    **_for_all("parm params parameter", "write parameters="),
    **_for_all("boot_type bootci_type", "write interval="),
    **_for_all("which kind_ what", "write method= or kind=, as the documentation of the function says"),
    **_for_all("maxiter max_iterations niter", "write max_iter=, the evaluations allowed"),
    **_for_all("start_params start_theta init theta0", "write start=, theta to start from"),
    **_for_all(
        "ftol gtol xtol tolerance rel_tol", "write tol=, the expected decrease of the criterion at which to stop"
    ),
    **_for_all("disp verbosity trace", "write verbose=True, or progress=True"),
    **_for_all(
        "full_output retall do_cg free niter_sa fe_pen cov_pen use_sqrt",
        'leave it out; statsmodels\' own search is engine="mixedlm"',
    ),
    **_for_all("backend solver package", 'write engine="auto", "pls", "mixedlm" or "lme4"'),
    **_for_all("groups re_formula vc_formula exog_re exog_vc fixed random_effects group re", _GROUPS),
    **_for_all("formulas model_formula", "write the formula as the first argument"),
    **_for_all("family link", _NORMAL_ALONE),
    **_for_all("cov_type cov_kwds vcov vcov_type robust", 'write cov="CR2", and cluster= for other clusters'),
    **_for_all("subset", _SUBSET),
    **_for_all("missing na_act na", 'write na_action="drop" or "raise"'),
    **_for_all("sample_weight weight wt w", "write weights=, a column or an array"),
    **_for_all("dataset df_ frame", "write data="),
    **_for_all("name label labels model_names", "write names= (of data: data_name=)"),
    **_for_all("r_matrix", "write L @ fit.cov_params() @ L.T, L with a column per fixed effect"),
    **_for_all("hypothesis L linfct hypotheses", "write the constraints as the first argument"),
    **_for_all("title yname xname_fe xname_re", _MIXEDLM_SUMMARY),
    **_for_all("filename file fname filepath", "write path="),
    **_for_all("figsize size", "write ax=, axes of a figure of that size"),
}
"""Name of a keyword argument -> what to write."""

OF_FUNCTION: dict[str, dict[str, str]] = {
    "fit": {
        "method": 'write engine="mixedlm", "pls" or "lme4"; for REML or ML write reml=True or reml=False',
        **_for_all("optimizer_name opt", 'leave it out, or write engine="lme4" and optimizer='),
        **_for_all(
            "cov_type cov_kwds", 'leave it out; robust errors are asked of the fit: fit().tests(cov="CR2", cluster=...)'
        ),
        **_for_all("start_params", "write start=, theta to start from"),
        "data": "write lmt.lmm(formula, data).fit(): the data belong to lmm()",
        "weights": "write lmt.lmm(formula, data, weights=...).fit(): weights belong to lmm()",
        "ddf": 'write fit().tests(ddf=...) or fit().summary(ddf="satterthwaite")',
    },
    "lmm": {
        **_for_all("REML reml method", "write it behind: lmt.lmm(formula, data).fit(reml=False)"),
        **_for_all(
            "engine start verbose control max_iter optimizer", "write it behind: lmt.lmm(formula, data).fit({}=...)"
        ),
    },
    "predict": {
        "exog": "MixedLM's prediction leaves the random effects out: write predict(data, random=False)",
        "type": "every prediction is on the scale of the response: leave it out",
    },
    "cov_params": {"": ARGUMENTS["r_matrix"]},
    "summary": {
        "alpha": _MIXEDLM_SUMMARY,
        "correlation": "leave it out: cov_params() has them",
        "corr": "write cov_params()",
    },
    "anova": {
        "test": 'write drop1(test="chisq") for likelihood ratios, or lmt.anova(m0, m1)',
        "method": "write ddf=",
    },
    "simulate": {"nsim": "write n=, the number of draws"},
    "ranova": {"nsim": "write n_sim=, the number of draws"},
    "residuals": {"type": "write kind="},
    "r2": _for_all("method by_group", "leave it out: marginal and conditional are both returned"),
    "tidy": {
        "conf_int_level": "write conf_level=",
        "alpha": "write conf_level=, the coverage",
        "level": "write conf_level=",
    },
}
"""Function -> name of a keyword argument -> what to write, before `ARGUMENTS`; "" stands for one too many."""


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return " Did you mean 'x'?", whatever the case of letters, or "" if nothing known is as like as ``likeness``."""
    lowered = {other.lower(): other for other in known}
    found = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=likeness)
    return f" Did you mean {lowered[found[0]]!r}?" if found else ""


def _refuse_probe(name: str) -> None:
    """Raise the error of a package that asks a fit for a name of its own, to find out whether it can use it."""
    if name in _PROBES:
        raise DataError(_PROBES[name])


class AnswersOtherNames:
    """Base of classes whose missing attributes are answered by the tables of this module."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker would take every name for known

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                # A property of this name failed with an AttributeError: show that one.
                return object.__getattribute__(self, name)
            _refuse_probe(name)
            raise missing_attribute(self, name)


def missing_attribute(holder: Any, name: str) -> AttributeError:
    """Return the error for an attribute that an object does not have."""
    owner = type(holder).__name__
    is_fit = "Fit" in _classes(holder)
    says = next((OF_CLASS[c][name] for c in _classes(holder) if name in OF_CLASS.get(c, ())), "")
    says = says or (SAYS.get(name, "").replace("fit.", "") if is_fit else "")
    if says and not name.startswith("_"):
        return UnknownNameError(f"{owner} has no {name}: {says}", name=name, obj=holder)
    hint = "" if name.startswith("_") else closest(name, (n for n in dir(type(holder)) if not n.startswith("_")), TYPED)
    if hint:
        return UnknownNameError(f"{owner} has no {name}.{hint}", name=name, obj=holder)
    return AttributeError(f"{owner} has no attribute {name!r}", name=name, obj=holder)


def _classes(holder: Any) -> list[str]:
    """Return the names of an object's class and its bases."""
    return [base.__name__ for base in type(holder).__mro__]


def missing_function(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a function that a module of lmmtools does not have."""
    if name in SAYS and not name.startswith("_"):
        return UnknownNameError(f"{module} has no {name}: {SAYS[name]}", name=name)
    hint = "" if name.startswith("_") else closest(name, known, TYPED)
    if hint:
        return UnknownNameError(f"{module} has no {name}.{hint}", name=name)
    return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)


def explain_call(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Exception | None:
    """Return the error that says why a call does not fit a function's parameters, None if it fits.

    Parameters
    ----------
    function : callable
    args, keywords
        Of the call, with ``self`` of a method.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **keywords)
    except TypeError as error:
        return UnknownArgumentError(_say_argument(function.__name__, signature, len(args), keywords, error))
    return None


def _say_argument(
    name: str, signature: inspect.Signature, n_args: int, keywords: Mapping[str, Any], error: TypeError
) -> str:
    """Return what is wrong with a call: the argument that is unknown, or what ``inspect`` says of it."""
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    named = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    known = [p for p in named if not p.startswith("_")]
    unknown = next((k for k in keywords if k not in known), None)
    takes = f"it takes {', '.join(known)}" if known else "it takes no argument"
    if unknown is None:
        n_self = len(signature.parameters) - len(parameters)
        places = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if n_args - n_self > len(places):
            if OF_FUNCTION.get(name, {}).get(""):
                return f"{name}() takes no such argument: {OF_FUNCTION[name]['']}"
            by_name = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
            rest = f"; write {', '.join(f'{n}=' for n in by_name)} by name" if by_name else ""
            size = len(places)
            takes = f"{size or 'no'} argument{'s' * (size != 1)} by position"
            return f"{name}() takes {takes}, and {n_args - n_self} came{rest}"
        return f"{name}(): {error}; {takes}"
    says = OF_FUNCTION.get(name, {}).get(unknown) or ARGUMENTS.get(unknown, "")
    if says:
        return f"{name}() has no {unknown}=: {says.format(unknown)}"
    return f"{name}() has no {unknown}=.{closest(unknown, known)} {takes[0].upper()}{takes[1:]}"
