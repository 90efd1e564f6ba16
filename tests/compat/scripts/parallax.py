"""Photons that are absorbed within a thick sensor."""

import fabio
import pyFAI

ai = pyFAI.load("detector.poni")
plain = ai.center_array(unit="2th_deg")
ai.enable_parallax(True, "Si", 450e-6)
moved = ai.center_array(unit="2th_deg")
by = (moved - plain)[::50, ::50]
tth, intensity = ai.integrate1d(fabio.open("frame_0000.edf").data, 300, unit="2th_deg")
ai.save("thick.poni")
again = pyFAI.load("thick.poni").center_array(unit="2th_deg")
configured = pyFAI.load(ai.get_config()).center_array(unit="2th_deg")
switched_on = bool(ai.parallax)
ai.enable_parallax(False)
back = ai.center_array(unit="2th_deg")

# compare: plain 1e-5, moved 1e-4, by 5e-2, tth 1e-4, intensity 1e-2
# compare: again 1e-4, configured 1e-4, switched_on 0, back 1e-5
