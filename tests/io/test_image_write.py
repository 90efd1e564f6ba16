"""Single images and masks, in the format that the name asks for."""

import fabio
import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.io import read_image
from aureole.io.image_write import IMAGE_ENDINGS, write_image

COUNTS = np.arange(-1, 19, dtype=np.int32).reshape(4, 5)


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_counts_read_back(tmp_path, ending):
    path = tmp_path / f"counts{ending}"
    write_image(path, COUNTS)
    np.testing.assert_array_equal(read_image(path), COUNTS)


def test_masks_of_fit2d_hold_masks_only(tmp_path):
    path = tmp_path / "mask.msk"
    with pytest.raises(SpecError, match="holds masks, of 0 and 1"):
        write_image(path, COUNTS)
    assert not path.exists()
    mask = np.zeros((64, 64), np.uint8)
    mask[3, 5] = 1
    write_image(path, mask)
    np.testing.assert_array_equal(fabio.open(str(path)).data != 0, mask != 0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (COUNTS + 0.5, "whole numbers of 32 bits"),
        (np.where(COUNTS > 3, np.nan, COUNTS), "others are negative"),
    ],
)
def test_what_a_cbf_cannot_hold_is_refused(tmp_path, image, message):
    with pytest.raises(SpecError, match=message):
        write_image(tmp_path / "image.cbf", image)
