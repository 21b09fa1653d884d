#!/usr/bin/env bash
# Installs PostgreSQL where there is none; see tests/fixtures_postgresql.py for where it is looked for.
set -euo pipefail
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then exit 0; fi
"$(dirname "$0")/../install_debian_packages.sh" postgresql ||
  echo "PostgreSQL is not installed, so the tests that need it are skipped"
