"""The former name of `syncsim.lab.grading.suite`; it goes with the next release."""

from warnings import warn

from syncsim.lab.grading.suite import Examination, examine

__all__ = ["Examination", "examine"]

warn(
    "syncsim.lab.examination is now syncsim.lab.grading.suite",
    DeprecationWarning,
    stacklevel=2,
)
