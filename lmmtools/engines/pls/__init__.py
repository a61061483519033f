"""The package's own engine: lme4's criterion by penalised least squares, with its exact gradient."""

from lmmtools.engines.pls.certificate import certify
from lmmtools.engines.pls.deletion import Deletions, delete_rows
from lmmtools.engines.pls.engine import Optimum, fit, fit_problem, optimize
from lmmtools.engines.pls.fixed import (
    AdjustedCovariance,
    FixedEffectsDerivatives,
    adjusted_covariance,
    expected_information,
    fixed_effects_derivatives,
)
from lmmtools.engines.pls.information import VarianceInformation, information
from lmmtools.engines.pls.leverage import hat_values, prediction_variances
from lmmtools.engines.pls.many import Refits, refit_many
from lmmtools.engines.pls.many_points import work_of_one
from lmmtools.engines.pls.no_effects import objectives_without_effects
from lmmtools.engines.pls.objective import Evaluation, evaluate
from lmmtools.engines.pls.optimize import Options, Progress
from lmmtools.engines.pls.problem import Problem, prepare
from lmmtools.engines.pls.recover import (
    Recovered,
    conditional_covariances,
    mode_covariances,
    recover,
)
from lmmtools.engines.pls.relative import RelativeUncertainty, nearby_thetas, relative_uncertainty
from lmmtools.engines.pls.shared import certify_shared, lowest_shared, refuse_shared
from lmmtools.engines.pls.unprofiled import Unprofiled, unprofiled_deviance, unprofiled_deviances

__all__ = [
    "AdjustedCovariance",
    "Deletions",
    "Evaluation",
    "FixedEffectsDerivatives",
    "Optimum",
    "Options",
    "Problem",
    "Progress",
    "Recovered",
    "Refits",
    "RelativeUncertainty",
    "Unprofiled",
    "VarianceInformation",
    "adjusted_covariance",
    "certify",
    "certify_shared",
    "conditional_covariances",
    "delete_rows",
    "evaluate",
    "expected_information",
    "fit",
    "fit_problem",
    "fixed_effects_derivatives",
    "hat_values",
    "information",
    "lowest_shared",
    "mode_covariances",
    "nearby_thetas",
    "objectives_without_effects",
    "optimize",
    "prediction_variances",
    "prepare",
    "recover",
    "refit_many",
    "refuse_shared",
    "relative_uncertainty",
    "unprofiled_deviance",
    "unprofiled_deviances",
    "work_of_one",
]
