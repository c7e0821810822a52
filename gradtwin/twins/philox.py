"""The starts of the seed-777 runs of TensorFlow 1, from the project's own generator.

Philox4x32-10 (J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011) gives four 32-bit
words per block; Box and Muller's transform makes two standard normals of each pair of words, in float32.
TensorFlow's raw op RandomStandardNormal has the same words and differs by rounding of log, sine and cosine.
"""

import math

import numpy as np

from gradtwin.core.errors import InputError

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEP_0, KEY_STEP_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ROUNDS = 10

# seed2 of each parameter: an op without a seed of its own took the number of ops already in the graph.
_ZOO_SEEDS = {"W": 11, "b": 20}
_LOGISTIC_SEEDS = {"W": 5, "b": 14}
_DENSE_SEEDS = {"W1": 5, "b1": 14, "W2": 26, "b2": 35, "W3": 47, "b3": 56, "W4": 68, "b4": 77}
_STARTS: dict[str, tuple[dict[str, int], tuple[int, ...]]] = {
    "A1": (_ZOO_SEEDS, (16, 7)),
    "A2": (_LOGISTIC_SEEDS, (2, 1)),
    "A4": (_DENSE_SEEDS, (2, 2, 1)),
    "A5": (_DENSE_SEEDS, (2, 10, 1)),
    "A6": (_DENSE_SEEDS, (2, 10, 10, 10, 1)),
}


def seed777_start(system: str, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Return the start that TensorFlow 1 drew for a system of the sources under graph seed 777.

    Args:
        system: "A1" (zoo), "A2" (logistic), "A4" (xor), "A5" (wide) or "A6" (deep).
        dtype: dtype of the arrays; the values are those of float32 in any case.

    Returns:
        W and b for A1 and A2; W1, b1, W2, b2, ... for the others.

    Raises:
        InputError: the system has no such start.
    """
    if system not in _STARTS:
        raise InputError(f"No seed-777 start for system {system!r}; there are {', '.join(_STARTS)}.")
    seeds, widths = _STARTS[system]
    layers = zip(widths, widths[1:], strict=False)
    shapes = [shape for layer in layers for shape in (layer, layer[1:])]  # W, b, W, b, ...
    return {
        name: normal(777, seed2, shape).astype(dtype)
        for (name, seed2), shape in zip(seeds.items(), shapes, strict=False)
    }


def normal(seed: int, seed2: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw standard normals as TensorFlow's op does for the pair (seed, seed2).

        u = max(U(x0), 1e-7),  theta = 2 pi U(x1),  r = sqrt(-2 ln u):  r sin theta, r cos theta

    Args:
        seed: the graph's seed, the key of Philox.
        seed2: the op's seed, the high half of its counter.
        shape: shape of the result, filled in row-major order.

    Returns:
        float32 array.
    """
    size = math.prod(shape)
    words = philox4x32(seed, np.arange(-(-size // 4), dtype=np.uint64), seed2)  # [blocks, 4]
    pairs = _uniform(words).reshape(-1, 2)
    u = np.maximum(pairs[:, 0], np.float32(1e-7))
    theta = np.float32(2 * math.pi) * pairs[:, 1]
    r = np.sqrt(np.float32(-2) * np.log(u))
    return np.stack([r * np.sin(theta), r * np.cos(theta)], axis=1).ravel()[:size].reshape(shape)


def philox4x32(key: int, block: np.ndarray, stream: int) -> np.ndarray:
    """Run the ten rounds of Philox4x32 on each block number.

    Args:
        key: 64-bit key, its low and high half k0 and k1.
        block: [n] uint64 block numbers, the low half of the counter.
        stream: the high half of the counter, 64-bit.

    Returns:
        [n, 4] uint32, the words x0 to x3 of each block.
    """
    k0, k1 = np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)
    c0, c1 = block & LOW, block >> HALF
    c2, c3 = np.full_like(block, stream & 0xFFFFFFFF), np.full_like(block, stream >> 32)
    for _ in range(ROUNDS):
        p, q = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2  # 32 x 32 bits fit into 64
        c0, c1, c2, c3 = (q >> HALF) ^ c1 ^ k0, q & LOW, (p >> HALF) ^ c3 ^ k1, p & LOW
        k0, k1 = (k0 + KEY_STEP_0) & LOW, (k1 + KEY_STEP_1) & LOW
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def _uniform(words: np.ndarray) -> np.ndarray:
    """Take 23 bits as the fraction of a float32 in [1, 2), then subtract 1."""
    bits = (words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
    return bits.view(np.float32) - np.float32(1)
