"""The geometry in other words."""

import pyFAI

ai = pyFAI.load("detector.poni")
id11 = ai.getImageD11()
imaged11 = [
    id11[key]
    for key in ("distance", "o11", "o22", "tilt_x", "tilt_y", "tilt_z", "y_center", "z_center", "y_size")
]
ai.setImageD11(id11)
numbers = [ai.dist, ai.poni1, ai.poni2, ai.rot1, ai.rot2, ai.rot3]
quaternion = ai.quaternion()
cxi = ai.getCXI()["detector_1"]
orientation = cxi["geometry_1"]["orientation"]
translation = cxi["geometry_1"]["translation"]
ai.setCXI(ai.getCXI())
back = [ai.dist, ai.poni1, ai.poni2, ai.rot1, ai.rot2, ai.rot3]
ai.set_rot_from_quaternion(*quaternion)
turned = [ai.rot1, ai.rot2, ai.rot3]
spd = ai.getSPD()
centre = [spd["Center_1"], spd["Center_2"], spd["PSize_1"], spd["SampleDistance"]]
matrix = ai.rotation_matrix()

# compare: imaged11 1e-9, numbers 1e-9, quaternion 1e-9, orientation 1e-9, translation 1e-9, back 1e-9
# compare: turned 1e-9, centre 1e-9, matrix 1e-9
