"""The front end of runtime/signal/log-mel.ts once more, in numpy: training must see what the board will see.

tests/runtime/signal/log-mel.test.ts holds the TypeScript to values of this file and of librosa's formula.
"""

import numpy as np

SAMPLE_RATE_HZ = 8000
WINDOW_SAMPLES = 8000
FRAME_SAMPLES = 256
HOP_SAMPLES = 128
MELS = 40
LOW_HZ = 60.0
HIGH_HZ = 3800.0
POWER_FLOOR = 1e-6
FRAMES = 1 + (WINDOW_SAMPLES - FRAME_SAMPLES) // HOP_SAMPLES


def hz_to_mel(hz):
    """Slaney's scale (Auditory Toolbox; librosa's default): linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, np.float64)
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1000) / 1000) * 27 / np.log(6.4))


def mel_to_hz(mel):
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_filters():
    """[MELS, FRAME_SAMPLES / 2 + 1]: triangles of equal area, librosa's norm="slaney"."""
    edges = mel_to_hz(np.linspace(hz_to_mel(LOW_HZ), hz_to_mel(HIGH_HZ), MELS + 2))
    bins = np.arange(FRAME_SAMPLES // 2 + 1) * SAMPLE_RATE_HZ / FRAME_SAMPLES
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return triangles * 2 / (high - low)


def hann():
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)


def fit(samples):
    """Shorter sounds centred in zeros, longer ones cut to their loudest hop-aligned window."""
    surplus = len(samples) - WINDOW_SAMPLES
    if surplus <= 0:
        before = -surplus // 2
        return np.pad(samples, (before, -surplus - before))
    energy = np.concatenate([[0], np.cumsum(samples.astype(np.float64) ** 2)])
    starts = np.arange(0, surplus + 1, HOP_SAMPLES)
    start = starts[np.argmax(energy[starts + WINDOW_SAMPLES] - energy[starts])]
    return samples[start : start + WINDOW_SAMPLES]


def log_mel(samples):
    """samples: mono in [-1, 1), any length. Returns ln(power + floor), [MELS, FRAMES], not yet normalized."""
    window = fit(samples).astype(np.float64)
    starts = np.arange(FRAMES) * HOP_SAMPLES
    frames = window[starts[:, None] + np.arange(FRAME_SAMPLES)] * hann()
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.log(mel_filters() @ power.T + POWER_FLOOR)


def read_wav(path):
    """Mono 16-bit PCM, as all of the data is."""
    from scipy.io import wavfile

    rate, samples = wavfile.read(path)
    assert rate == SAMPLE_RATE_HZ and samples.dtype == np.int16 and samples.ndim == 1, path
    return samples.astype(np.float64) / 32768
