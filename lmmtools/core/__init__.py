"""The numerical core: the criterion of a design and its derivatives, its lowest value, and what follows from there.

``model`` says how covariances depend on parameters, ``data`` makes a design ready, ``elimination`` factors its
equations, ``search`` finds the lowest criterion, ``after`` computes what is read at the optimum.
"""

from lmmtools.core.after.deletion import Deletions, delete_rows
from lmmtools.core.after.fixed import (
    AdjustedCovariance,
    FixedEffectsDerivatives,
    adjusted_covariance,
    expected_information,
    fixed_effects_derivatives,
)
from lmmtools.core.after.information import VarianceInformation, information
from lmmtools.core.after.leverage import RowLeverages, hat_values, prediction_variances
from lmmtools.core.after.recover import (
    Recovered,
    conditional_covariances,
    mode_covariances,
    recover,
    recover_optimum,
)
from lmmtools.core.after.refits import Refits, refit_many
from lmmtools.core.after.relative import RelativeUncertainty, nearby_thetas, relative_uncertainty
from lmmtools.core.after.row_sets import RowSets
from lmmtools.core.after.unprofiled import Unprofiled, unprofiled_deviance, unprofiled_deviances
from lmmtools.core.data.problem import Problem, model_size, prepare
from lmmtools.core.data.room import ModelSize
from lmmtools.core.elimination.many_points import work_of_one
from lmmtools.core.search.again import Known, optimize_again
from lmmtools.core.search.batch import objectives_without_effects
from lmmtools.core.search.certificate import (
    Certificate,
    NullSpace,
    Scope,
    certify,
    certify_shared,
    lowest_shared,
    refuse_shared,
)
from lmmtools.core.search.descent import Options, Progress
from lmmtools.core.search.objective import Evaluation, evaluate
from lmmtools.core.search.optimum import Optimum, optimize, with_reproduction

__all__ = [
    "AdjustedCovariance",
    "Certificate",
    "Deletions",
    "Evaluation",
    "FixedEffectsDerivatives",
    "Known",
    "ModelSize",
    "NullSpace",
    "Optimum",
    "Options",
    "Problem",
    "Progress",
    "Recovered",
    "Refits",
    "RelativeUncertainty",
    "RowLeverages",
    "RowSets",
    "Scope",
    "Unprofiled",
    "VarianceInformation",
    "adjusted_covariance",
    "certify",
    "certify_shared",
    "conditional_covariances",
    "delete_rows",
    "evaluate",
    "expected_information",
    "fixed_effects_derivatives",
    "hat_values",
    "information",
    "lowest_shared",
    "mode_covariances",
    "model_size",
    "nearby_thetas",
    "objectives_without_effects",
    "optimize",
    "optimize_again",
    "prediction_variances",
    "prepare",
    "recover",
    "recover_optimum",
    "refit_many",
    "refuse_shared",
    "relative_uncertainty",
    "unprofiled_deviance",
    "unprofiled_deviances",
    "with_reproduction",
    "work_of_one",
]
