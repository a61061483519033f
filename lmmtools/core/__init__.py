"""The numerical core: the criterion of a design and its derivatives, its lowest value, and what follows from there.

``model`` says how covariances depend on parameters, ``data`` makes a design ready, ``elimination`` factors its
equations, ``search`` finds the lowest criterion, ``after`` computes what is read at the optimum.

What a fit does not need, such as deletion and refits, is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.lazy import load_name

if TYPE_CHECKING:
    from lmmtools.core.after.clusters import ClusterScores, Correction, cluster_scores
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
    from lmmtools.core.data.crossprod import CrossProducts, ResponseProducts, Scaling
    from lmmtools.core.data.problem import Problem, assemble, cross_products, model_size, prepare
    from lmmtools.core.data.room import ModelSize
    from lmmtools.core.elimination.gram import Gram
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
    "ClusterScores",
    "Correction",
    "CrossProducts",
    "Deletions",
    "Evaluation",
    "FixedEffectsDerivatives",
    "Gram",
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
    "ResponseProducts",
    "RowLeverages",
    "RowSets",
    "Scaling",
    "Scope",
    "Unprofiled",
    "VarianceInformation",
    "adjusted_covariance",
    "assemble",
    "certify",
    "certify_shared",
    "cluster_scores",
    "conditional_covariances",
    "cross_products",
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

_HOME = {
    "AdjustedCovariance": "after.fixed",
    "Certificate": "search.certificate",
    "ClusterScores": "after.clusters",
    "Correction": "after.clusters",
    "CrossProducts": "data.crossprod",
    "Deletions": "after.deletion",
    "Evaluation": "search.objective",
    "FixedEffectsDerivatives": "after.fixed",
    "Gram": "elimination.gram",
    "Known": "search.again",
    "ModelSize": "data.room",
    "NullSpace": "search.certificate",
    "Optimum": "search.optimum",
    "Options": "search.descent",
    "Problem": "data.problem",
    "Progress": "search.descent",
    "Recovered": "after.recover",
    "Refits": "after.refits",
    "RelativeUncertainty": "after.relative",
    "ResponseProducts": "data.crossprod",
    "RowLeverages": "after.leverage",
    "RowSets": "after.row_sets",
    "Scaling": "data.crossprod",
    "Scope": "search.certificate",
    "Unprofiled": "after.unprofiled",
    "VarianceInformation": "after.information",
    "adjusted_covariance": "after.fixed",
    "assemble": "data.problem",
    "certify": "search.certificate",
    "certify_shared": "search.certificate",
    "cluster_scores": "after.clusters",
    "conditional_covariances": "after.recover",
    "cross_products": "data.problem",
    "delete_rows": "after.deletion",
    "evaluate": "search.objective",
    "expected_information": "after.fixed",
    "fixed_effects_derivatives": "after.fixed",
    "hat_values": "after.leverage",
    "information": "after.information",
    "lowest_shared": "search.certificate",
    "mode_covariances": "after.recover",
    "model_size": "data.problem",
    "nearby_thetas": "after.relative",
    "objectives_without_effects": "search.batch",
    "optimize": "search.optimum",
    "optimize_again": "search.again",
    "prediction_variances": "after.leverage",
    "prepare": "data.problem",
    "recover": "after.recover",
    "recover_optimum": "after.recover",
    "refit_many": "after.refits",
    "refuse_shared": "search.certificate",
    "relative_uncertainty": "after.relative",
    "unprofiled_deviance": "after.unprofiled",
    "unprofiled_deviances": "after.unprofiled",
    "with_reproduction": "search.optimum",
    "work_of_one": "elimination.many_points",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lmmtools.core' has no attribute {name!r}")
    return load_name(__name__, _HOME, name, globals())


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
