#!/bin/bash
# Makes an environment with a tracking tool, which what Tessera writes is read by: setup.sh tensorboard|mlflow FOLDER.
# Needs Python 3.10 or newer. TensorBoard: 180 MB and a quarter of a minute; MLflow with its server: 1 GB and a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tool=$1
environment=$2
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(python3 -V), but 3.10 is needed" >&2; exit 1; }
python3 -m venv --clear "$environment"
"$environment/bin/pip" -q --disable-pip-version-check install -r "$here/$tool.txt"
touch "$environment/ready"
