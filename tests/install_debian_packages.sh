#!/usr/bin/env bash
# Installs packages of Debian; fails where that is not possible.
set -euo pipefail
[ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null || exit 1
echo "Installing $* from Debian's packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@" >/dev/null
