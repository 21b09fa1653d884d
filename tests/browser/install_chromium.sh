#!/usr/bin/env bash
# Installs Chromium where there is none; see conftest.py for the names it is looked for under.
set -euo pipefail
python=$1
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
"$(dirname "$0")/../install_debian_packages.sh" chromium || "$python" -m playwright install chromium
