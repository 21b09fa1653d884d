#!/usr/bin/env bash
# Installs Chromium where there is none; see conftest.py for the names it is looked for under.
set -euo pipefail
python=$1
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
  echo "Installing Chromium from Debian's packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  "$python" -m playwright install chromium
fi
