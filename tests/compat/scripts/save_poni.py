"""Change the geometry, save it, read it again."""

import pyFAI

ai = pyFAI.load("detector.poni")
ai.dist = 0.15
ai.rot1 += 0.01
ai.poni1, ai.poni2 = 0.05, 0.06
ai.wavelength = 1e-10
ai.save("new.poni")
again = pyFAI.load("new.poni")
numbers = [again.dist, again.poni1, again.poni2, again.rot1, again.rot2, again.rot3, again.wavelength]
shape = again.detector.shape
same = [getattr(again, "get_" + name)() for name in ("dist", "poni1", "rot3", "pixel1", "wavelength")]

# compare: numbers 1e-12, shape 0, same 1e-12
