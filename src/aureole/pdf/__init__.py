"""Pair distribution functions: from I(q) to S(q), F(q) and G(r), with errors.

Lengths are in Å and q in 1/Å here, as in all of the field; wavelengths are in metres, as everywhere.
"""

from aureole.pdf.composition import Composition
from aureole.pdf.spec import PDFSpec
from aureole.pdf.transform import PDF, PDFTransform, Stages

__all__ = ["PDF", "Composition", "PDFSpec", "PDFTransform", "Stages"]
