"""Reference values for tests/runtime/signal: librosa for log-mel features, scipy for resampling.

    python3.11 -m venv venv
    venv/bin/pip install librosa==0.11.0 "numpy<2"
    venv/bin/python scripts/references/sounds.py

Also holds the front end that training uses (scripts/models/spoken-digits/front_end.py) to librosa's values.
"""

import json
import pathlib
import sys

import librosa
import numpy as np
from scipy.signal import firwin, resample_poly

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/models/spoken-digits"))
import front_end  # noqa: E402

ZERO_CROSSINGS, KAISER_BETA = 16, 8.0


def sound(length):
    """A chirp and a steady tone; the tests make the same."""
    n = np.arange(length)
    chirp = 0.3 * np.sin(2 * np.pi * (150 * n / 8000 + 1500 * (n / 8000) ** 2))
    return (chirp + 0.05 * np.sin(2 * np.pi * 1234.5 * n / 8000)).astype(np.float32)


def log_mel():
    samples = sound(8000).astype(np.float64)
    power = librosa.feature.melspectrogram(
        y=samples, sr=front_end.SAMPLE_RATE_HZ, n_fft=front_end.FRAME_SAMPLES, hop_length=front_end.HOP_SAMPLES,
        n_mels=front_end.MELS, fmin=front_end.LOW_HZ, fmax=front_end.HIGH_HZ, center=False, power=2.0, dtype=np.float64)
    expected = np.log(power + front_end.POWER_FLOOR)
    assert np.abs(expected - front_end.log_mel(samples)).max() < 1e-5
    return {"frames": list(range(0, 61, 10)), "features": np.round(expected[:, ::10], 6).tolist()}


def resampled(from_hz, to_hz):
    divisor = np.gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    half = ZERO_CROSSINGS * max(up, down)
    kernel = firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", KAISER_BETA))
    output = resample_poly(sound(600).astype(np.float64), up, down, window=kernel)
    return {"fromHz": int(from_hz), "toHz": int(to_hz), "length": len(output), "head": np.round(output[:60], 7).tolist()}


reference = {
    "logMel": log_mel(),
    "resampled": [resampled(*rates) for rates in ((16000, 8000), (44100, 8000), (8000, 11025), (8000, 8001))],
}
path = ROOT / "tests/runtime/signal/reference.json"
path.write_text(json.dumps(reference) + "\n")
