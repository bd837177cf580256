"""Reference values for tests/runtime/signal/front-ends.test.ts: librosa's and TensorFlow's own front ends, and SciPy's resampler.

    python3.11 -m venv venv
    venv/bin/pip install tensorflow-cpu==2.21.0 librosa==0.11.0
    venv/bin/python scripts/references/front_ends.py

Each case says how a card describes the front end, and what the library makes of the test sound, every SKIPth value.
"""

import json
import pathlib
import sys

import librosa
import numpy as np
import tensorflow as tf
from scipy.signal import resample_poly

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = 7


def sound(length, rate):
    """A chirp, a steady tone, a click and faint noise; the tests make the same."""
    n = np.arange(length)
    noise, state = np.empty(length), 1
    for at in range(length):
        state = state * 16807 % 2147483647
        noise[at] = 0.02 * (state / 2147483647 - 0.5)
    chirp = 0.3 * np.sin(2 * np.pi * (150 * n / rate + 0.2 * rate * (n / rate) ** 2))
    tone = 0.05 * np.sin(2 * np.pi * 1234.5 * n / rate)
    return (chirp + tone + noise + 0.4 * (n == length // 3)).astype(np.float32)


def case(name, card, features):
    """features: [bands, frames], or [frames * bands]"""
    features = np.asarray(features, np.float64)
    return {"name": name, "card": card, "shape": list(features.shape), "values": np.round(features.ravel()[::SKIP], 6).tolist()}


def mlperf_kws():
    """MLPerf Tiny's keyword spotting, as benchmark/training/keyword_spotting/get_dataset.py does it: 30 ms frames every 20 ms."""
    rate, length = 16000, 15000
    samples = np.floor(sound(length, rate) * 32768 + 0.5).astype(np.int16)
    audio = tf.cast(samples, tf.float32)
    audio = audio / tf.reduce_max(audio)
    audio = tf.pad(audio, [[0, rate - length]])
    stft = tf.signal.stft(audio, frame_length=480, frame_step=320, fft_length=None, window_fn=tf.signal.hann_window)
    matrix = tf.signal.linear_to_mel_weight_matrix(40, stft.shape[-1], rate, 20.0, 4000.0)
    mel = tf.tensordot(tf.abs(stft), matrix, 1)
    mfcc = tf.signal.mfccs_from_log_mel_spectrograms(tf.math.log(mel + 1e-6))[..., :10]
    card = {
        "kind": "mfcc", "sampleRateHz": rate, "windowSamples": rate, "place": "start", "gain": "maximum",
        "frameSamples": 480, "hopSamples": 320, "fftSamples": 512, "exponent": 1,
        "mels": 40, "lowHz": 20, "highHz": 4000, "melScale": "htk", "melSlopes": "mel", "melNorm": "none",
        "powerFloor": 1e-6, "coefficients": 10, "dct": "htk", "axes": "frames-bands",
    }
    return {**case("MLPerf Tiny keyword spotting", card, mfcc.numpy()), "samples": length, "bits": 16}


def mlperf_ad():
    """MLPerf Tiny's anomaly detection, as benchmark/training/anomaly_detection/common.py does it; five frames at the start of a window."""
    rate, window = 16000, 1024 + 4 * 512
    # librosa's default centring touches only the ends, which the reference cuts off.
    mel = librosa.feature.melspectrogram(
        y=sound(rate, rate).astype(np.float64), sr=rate, n_fft=1024, hop_length=512, n_mels=128, power=2.0)
    log = 20.0 / 2.0 * np.log10(mel + sys.float_info.epsilon)
    first = 6
    vector = np.concatenate([log[:, first + t] for t in range(5)])
    card = {
        "kind": "log-mel", "sampleRateHz": rate, "windowSamples": window, "frameSamples": 1024, "hopSamples": 512,
        "mels": 128, "lowHz": 0, "highHz": 8000, "logarithm": "decibels", "powerFloor": sys.float_info.epsilon, "axes": "vector",
    }
    # The frame of a centred spectrum begins half a transform before its instant.
    start = first * 512 - 512
    return {**case("MLPerf Tiny anomaly detection", card, vector), "samples": rate, "start": start}


LIBROSA = {"n_fft": 512, "hop_length": 160, "n_mels": 64, "fmin": 50, "fmax": 7600}
CARD = {
    "sampleRateHz": 16000, "windowSamples": 16000, "frameSamples": 512, "hopSamples": 160, "mels": 64, "lowHz": 50, "highHz": 7600,
    "logarithm": "decibels", "powerFloor": 1e-10, "floor": "clamp",
}


def librosa_mel(**options):
    samples = sound(16000, 16000).astype(np.float64)
    return librosa.feature.melspectrogram(y=samples, sr=16000, **{**LIBROSA, **options})


def librosa_decibels():
    """librosa's defaults: centred, zeros at the edges, 80 dB below the loudest at most."""
    card = {**CARD, "kind": "log-mel", "edges": "zeros", "topDecibels": 80}
    return case("librosa, power_to_db", card, librosa.power_to_db(librosa_mel()))


def librosa_relative():
    card = {**CARD, "kind": "log-mel", "edges": "reflect", "melScale": "htk", "reference": "maximum", "topDecibels": 60}
    return case(
        "librosa, HTK's scale, reflected edges, decibels below the loudest", card,
        librosa.power_to_db(librosa_mel(htk=True, pad_mode="reflect"), ref=np.max, top_db=60))


def librosa_short_frames():
    """Frames of 25 ms in a longer transform, magnitudes, no norm, log10, normalized."""
    card = {
        **CARD, "kind": "log-mel", "edges": "zeros", "frameSamples": 400, "fftSamples": 512, "fftPadding": "around", "exponent": 1,
        "melNorm": "none", "logarithm": "log10", "powerFloor": 1e-5, "floor": "clamp", "mean": -4, "std": 4,
    }
    mel = librosa_mel(win_length=400, power=1.0, norm=None)
    return case("librosa, frames shorter than the transform", card, (np.log10(np.maximum(mel, 1e-5)) + 4) / 4)


def librosa_mfcc():
    card = {**CARD, "kind": "mfcc", "edges": "zeros", "topDecibels": 80, "coefficients": 20}
    samples = sound(16000, 16000).astype(np.float64)
    return case("librosa, MFCC", card, librosa.feature.mfcc(y=samples, sr=16000, n_mfcc=20, **LIBROSA))


def librosa_liftered():
    card = {**CARD, "kind": "mfcc", "edges": "zeros", "topDecibels": 80, "coefficients": 13, "lifter": 22, "axes": "frames-bands"}
    samples = sound(16000, 16000).astype(np.float64)
    return case(
        "librosa, liftered MFCC, frame by frame", card,
        librosa.feature.mfcc(y=samples, sr=16000, n_mfcc=13, lifter=22, **LIBROSA).T)


def tensorflow_log_mel():
    """What TensorFlow's guide shows; a symmetric window beside."""
    audio = tf.constant(sound(8000, 8000), tf.float64)
    window = lambda length, dtype: tf.signal.hann_window(length, periodic=False, dtype=dtype)
    stft = tf.signal.stft(audio, 256, 128, window_fn=window)
    matrix = tf.signal.linear_to_mel_weight_matrix(32, 129, 8000, 80.0, 3800.0, dtype=tf.float64)
    log = tf.math.log(tf.tensordot(tf.abs(stft), matrix, 1) + 1e-6)
    card = {
        "kind": "log-mel", "sampleRateHz": 8000, "windowSamples": 8000, "frameSamples": 256, "hopSamples": 128,
        "frameWindow": "hann-symmetric", "exponent": 1, "mels": 32, "lowHz": 80, "highHz": 3800, "melScale": "htk", "melSlopes": "mel",
        "melNorm": "none", "powerFloor": 1e-6, "axes": "frames-bands",
    }
    return case("TensorFlow, log-mel", card, log.numpy())


def resampler(from_hz, to_hz):
    """How much of a sine comes through SciPy's polyphase resampler, with its own default filter, in decibels."""
    divisor = np.gcd(from_hz, to_hz)
    nyquist = min(from_hz, to_hz) / 2
    shares = [0.1, 0.5, 0.8, 0.9, 1.1, 1.2, 1.5, 1.9]
    hertz = [share * nyquist for share in shares if share * nyquist < from_hz / 2]
    n = np.arange(from_hz)
    gains = []
    for hz in hertz:
        output = resample_poly(np.sin(2 * np.pi * hz * n / from_hz), to_hz // divisor, from_hz // divisor)
        middle = output[len(output) // 10 : -len(output) // 10]
        gains.append(round(10 * np.log10(2 * np.mean(middle**2)), 3))
    return {"fromHz": from_hz, "toHz": to_hz, "hertz": hertz, "decibels": gains}


cases = [
    mlperf_kws(), mlperf_ad(), librosa_decibels(), librosa_relative(), librosa_short_frames(), librosa_mfcc(), librosa_liftered(),
    tensorflow_log_mel(),
]
path = ROOT / "tests/runtime/signal/front-ends.json"
resamplers = [resampler(*rates) for rates in ((44100, 16000), (48000, 16000), (16000, 8000), (8000, 16000))]
path.write_text(json.dumps({"skip": SKIP, "cases": cases, "resamplers": resamplers}) + "\n")
print(path, path.stat().st_size, "bytes")
