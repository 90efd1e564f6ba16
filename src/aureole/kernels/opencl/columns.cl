// Frames side by side: those that are summed together lie next to each other at every pixel, so that one reading has
// all of them wherever a bin has its pixels.
//
// Macros: WORD, an unsigned type as wide as a pixel; FRAMES, frames that are summed together.

// Groups of FRAMES frames; beyond the last frame it stands once more.
__kernel void interleave(__global const WORD *frames, uint n_pixels, uint n_frames, __global WORD *columns)
{
    const uint p = get_global_id(0), first = get_global_id(1) * FRAMES;
    if (p >= n_pixels)
        return;
    __global WORD *to = columns + ((size_t)first * n_pixels + (size_t)p * FRAMES);
    WORD here[FRAMES];
    for (uint f = 0; f < FRAMES; f++)
        here[f] = frames[(size_t)min(first + f, n_frames - 1) * n_pixels + p];
    for (uint f = 0; f < FRAMES; f++)
        to[f] = here[f];
}
