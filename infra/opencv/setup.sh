#!/bin/bash
# Makes an environment with OpenCV and mmcv's readers, which decoded pixels are compared with: setup.sh FOLDER.
# Needs Python 3.9 to 3.12; about 300 MB and half a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=$1
python=$(command -v python3.11 || command -v python3)
"$python" -m venv --clear "$environment"
pip=("$environment/bin/pip" -q --disable-pip-version-check)
"${pip[@]}" install 'setuptools<70' wheel
"${pip[@]}" install -r "$here/requirements.txt"
# Without its compiled operators, which nothing here uses, and without PyTorch, which only they need.
MMCV_WITH_OPS=0 "${pip[@]}" install --no-build-isolation --no-deps mmcv==1.7.2
"$environment/bin/python" -W ignore -c "import cv2, mmcv; print('opencv', cv2.__version__, 'mmcv', mmcv.__version__)"
touch "$environment/ready"
