"""Reads each file of a folder as mmseg 0.30 does, and prints what it gets: opencv.py FOLDER.

As an image: OpenCV's bytes as RGB, EXIF orientation applied. As an annotation: mmcv's by Pillow, as 8 bits.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter('ignore')

import mmcv  # noqa: E402
import numpy as np  # noqa: E402


def image(content):
    bgr = mmcv.imfrombytes(content, flag='color', backend='cv2')
    return bgr if bgr is None else bgr[:, :, ::-1]


def annotation(content):
    return mmcv.imfrombytes(content, flag='unchanged', backend='pillow').astype(np.uint8)


def read(reader, content):
    try:
        values = reader(content)
    except Exception:  # Each library has errors of its own; that there is one is what counts.
        values = None
    if values is None:
        return None
    shape = list(values.shape)
    return {'shape': shape, 'sha256': hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()}


files = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    content = file.read_bytes()
    files[file.name] = {'image': read(image, content), 'annotation': read(annotation, content)}
json.dump(files, sys.stdout)
