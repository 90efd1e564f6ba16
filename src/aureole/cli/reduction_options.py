"""The options that the verbs that integrate share."""

from __future__ import annotations

import argparse

from aureole.cli import inputs
from aureole.cli.cluster import add_cluster
from aureole.cli.pyfai_config import add_pyfai_config

UNITS_EPILOG = """\
units of --unit (default q_nm^-1):
  q_nm^-1 q_A^-1 2th_deg 2th_rad d_nm d_A d_m r_mm r_m d*2_A^-2 d*2_nm^-2 log10(q.m)_None
  log(q.nm)_None log(1+q.nm)_None log(1+q.A)_None arcsinh(q.nm)_None arcsinh(q.A)_None
  qx_nm^-1 qy_nm^-1{more}
of samples in grazing incidence and of fibres (with --incident-angle, also in A^-1 or in rad):
  qip_nm^-1 qoop_nm^-1 qxgi_nm^-1 qygi_nm^-1 qzgi_nm^-1 qtot_nm^-1
  exit_angle_vert_deg exit_angle_horz_deg scattering_angle_vert_deg scattering_angle_horz_deg{polar}
  d is huge near the beam: give --radial-range with it"""


def add_options(parser: argparse.ArgumentParser, *, output: str, cakes: bool) -> argparse._ArgumentGroup:
    """Add all options of integration, and return the group about running.

    Parameters
    ----------
    parser : ArgumentParser
    output : str
        What can be written.
    cakes : bool
        Whether rows may be cakes, or patterns against azimuth.
    """
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_geometry(files, required=False)
    add_pyfai_config(parser, files)
    inputs.add_output(files, output)
    add_request(parser, cakes=cakes, robust=True)
    running = parser.add_argument_group("running")
    inputs.add_running(running)
    inputs.add_run(running)
    add_cluster(running)
    inputs.add_backend(running, default="auto")
    inputs.add_site(parser.add_argument_group("for the record"))
    return running


def add_request(parser: argparse.ArgumentParser, *, cakes: bool, robust: bool) -> None:
    """Add the options that say what is integrated: axes, sample, pixels, corrections, errors.

    Parameters
    ----------
    parser : ArgumentParser
    cakes : bool
        Whether rows may be cakes, or patterns against azimuth.
    robust : bool
        Whether averages of a bin may leave pixels out.
    """
    parser.set_defaults(npt_azim=None, range_unit=None, unit_azim=None, trim=None, sigma_clip=None)
    _add_axes(parser.add_argument_group("axes"), cakes=cakes)
    _add_sample(parser.add_argument_group("how the sample stands, for coordinates of it"))
    pixels = parser.add_argument_group("pixels that do not count")
    add_invalid(pixels)
    if robust:
        _add_robust(pixels)
    _add_corrections(parser.add_argument_group("corrections and errors"))


def add_npt(group: argparse._ArgumentGroup) -> None:
    """Add ``--npt``."""
    group.add_argument(
        "--npt",
        type=_npt,
        default=1000,
        metavar="N",
        help="number of bins, or auto: one a pixel from the beam to the farthest corner (default: 1000)",
    )


def _npt(text: str) -> int | None:
    try:
        return None if text == "auto" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number or auto is needed, not {text!r}") from None


def _add_axes(group: argparse._ArgumentGroup, *, cakes: bool) -> None:
    add_npt(group)
    if cakes:
        group.add_argument(
            "--npt-azim", type=int, metavar="N", help="number of azimuthal bins: makes cakes (2D)"
        )
        group.add_argument(
            "--unit-azim",
            metavar="UNIT",
            help="of the azimuthal bins and of --azimuth-range, such as qoop_nm^-1 (default: chi_deg)",
        )
    group.add_argument("--unit", default="q_nm^-1", metavar="UNIT", help="of the bins, listed below")
    group.add_argument(
        "--radial-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="in UNIT (default: from the first to the last valid pixel)",
    )
    if cakes:
        group.add_argument(
            "--range-unit",
            metavar="UNIT",
            help="of --radial-range where --unit is an azimuth (default: q_nm^-1)",
        )
    group.add_argument(
        "--azimuth-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help=f"in degrees{', or in that unit' if cakes else ''} (default: from the first to the last valid "
        "pixel)",
    )
    group.add_argument(
        "--chi-discontinuity",
        choices=("pi", "zero"),
        default="pi",
        help="azimuths from -180 to 180 degrees (pi, the default) or from 0 to 360 (zero)",
    )
    group.add_argument(
        "--split",
        choices=("no", "bbox", "pseudo", "full"),
        default="bbox",
        help="how a pixel is shared among bins (default: bbox); 'no' keeps errors of bins independent",
    )


def _add_sample(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--incident-angle", type=float, metavar="DEG", help="between beam and surface, in degrees"
    )
    group.add_argument(
        "--tilt-angle", type=float, metavar="DEG", help="rotation about the beam, in degrees (default: 0)"
    )
    group.add_argument(
        "--sample-orientation",
        type=int,
        choices=range(1, 9),
        metavar="N",
        help="from 1 to 8 as in EXIF: how the image is turned for the sample to lie level (default: 1)",
    )


def add_invalid(group: argparse._ArgumentGroup) -> None:
    """Add which pixels are invalid: by images, and by their raw values."""
    group.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")
    group.add_argument("--no-detector-mask", action="store_true", help="use the pixels in gaps as well")
    group.add_argument("--dummy", type=float, metavar="VALUE", help="raw value of invalid pixels")
    group.add_argument(
        "--delta-dummy", type=float, metavar="DELTA", help="pixels within VALUE +- DELTA are invalid"
    )
    group.add_argument("--saturation", type=float, metavar="VALUE", help="pixels above VALUE are invalid")


def _add_robust(group: argparse._ArgumentGroup) -> None:
    robust = group.add_mutually_exclusive_group()
    robust.add_argument(
        "--trim",
        nargs="?",
        const="10,90",
        metavar="LOW,HIGH",
        help="for spotty rings: of each bin, average the pixels between two percentiles of their intensities "
        "(10,90 where none are given)",
    )
    robust.add_argument(
        "--sigma-clip",
        nargs="?",
        const="3,5",
        metavar="SIGMA[,ITER[,scatter]]",
        help="for spotty rings: of each bin, take out pixels farther from its mean than SIGMA standard "
        "deviations of a pixel, which the error model gives, up to ITER times (3,5 where none are given); "
        "SIGMA can be auto: Chauvenet's criterion, which depends on the number of pixels in the bin; with "
        "scatter the scatter in the bin is the standard deviation, whatever the error model",
    )


def _add_corrections(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dark",
        metavar="FRAMES",
        action="append",
        help="image to subtract from each frame; several, named like frames or by repeating the option, are "
        "averaged, and the variance of their mean adds to the errors",
    )
    group.add_argument(
        "--flat",
        metavar="FRAMES",
        action="append",
        help="image of the pixels' sensitivity, to divide by; several are averaged",
    )
    group.add_argument("--absorption", metavar="FILE", help="image of the transmission, to divide by")
    group.add_argument(
        "--polarization-factor",
        type=float,
        metavar="F",
        help="from -1 (vertical) to 1 (horizontal); 0 is unpolarised (default: no correction)",
    )
    group.add_argument("--no-solid-angle", action="store_true", help="do not divide by the solid angle")
    group.add_argument(
        "--sensor",
        metavar="WHAT",
        help="material and thickness of the sensor, such as CdTe,1mm or Si,450um, in the place of the PONI's",
    )
    group.add_argument(
        "--no-efficiency",
        action="store_true",
        help="do not divide by the efficiency of the sensor, which grows with the angle of incidence "
        "(default: divide where material and thickness of the sensor and the photon energy are known)",
    )
    group.add_argument(
        "--monitor",
        metavar="SOURCE",
        help="a number for each frame to divide by: table.csv:COLUMN, file.h5::/path, or a key of the "
        "frames' headers; where it is missing or not above zero the frame is bad",
    )
    group.add_argument(
        "--error-model",
        choices=("none", "variance", "poisson", "poisson_floor", "azimuthal"),
        help="where errors come from: --variance (variance), counts (poisson), at least one count a pixel "
        "(poisson_floor), scatter around the ring (azimuthal); default: variance with --variance, otherwise "
        "poisson for integer frames of a photon counter (Pilatus, Eiger, Lambda), otherwise none",
    )
    group.add_argument(
        "--variance",
        metavar="FRAMES",
        action="append",
        help="images of the pixels' variances, as many as frames and in their order",
    )
