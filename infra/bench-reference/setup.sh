#!/bin/bash
# Makes the reference environment: setup.sh FOLDER. Needs Python 3.11; about 3 GB and 3 minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=$1
python3.11 -m venv "$environment"
"$environment/bin/pip" -q install --upgrade pip 'setuptools<70' wheel
"$environment/bin/pip" -q install -r "$here/requirements.txt"
# Without its compiled operators, which nothing here uses and which would take half an hour.
MMCV_WITH_OPS=0 "$environment/bin/pip" -q install --no-build-isolation mmcv==1.7.2
"$environment/bin/python" -c "import torch, cv2; print('torch', torch.__version__, 'opencv', cv2.__version__)"
touch "$environment/ready"
