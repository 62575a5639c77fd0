#!/usr/bin/env bash
# Put the newest PgBouncer that Debian has into a folder, without installing anything:
#
#   newest_pgbouncer.sh FOLDER       prints the program's path
#
# It is from a later Debian, with that release's libraries. The system's packages stay unchanged,
# because apt uses separate lists and a separate status file.
set -euo pipefail
folder=$(realpath -m "$1")
own=$folder/apt
mkdir -p "$own"/{sources,state/lists/partial,cache/archives/partial}
: >"$own/state/status"
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
apt=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$own/sources"
  -o "Dir::State=$own/state" -o "Dir::State::status=$own/state/status" -o "Dir::Cache=$own/cache"
  -o "Acquire::Languages=none" -o "APT::Sandbox::User=root" -qq)

for suite in sid trixie; do
  rm -rf "$folder/root" "$own"/cache/archives/*.deb
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suite" \
    /usr/share/keyrings/debian-archive-keyring.gpg >"$own/sources/suite.sources"
  apt-get "${apt[@]}" update >&2 || continue
  apt-get "${apt[@]}" install -y --no-install-recommends --download-only pgbouncer >&2 || continue
  mkdir -p "$folder/root"
  # Extract only the program, its libraries and the dynamic loader.
  for package in "$own"/cache/archives/{pgbouncer,libc6,lib*}_*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar -x -C "$folder/root" --wildcards --ignore-failed-read './usr/sbin/pgbouncer' \
        './lib*' './usr/lib*' 2>/dev/null || true
  done
  loader=$(find -L "$folder/root" -name 'ld-linux*.so.*' | head -n 1)
  libraries=$(find "$folder/root" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
  printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' \
    "$loader" "$libraries" "$folder/root/usr/sbin/pgbouncer" >"$folder/pgbouncer"
  chmod -R a+rX "$folder"
  chmod a+x "$folder/pgbouncer"
  if "$folder/pgbouncer" --version >&2; then
    rm -rf "$own"
    echo "$folder/pgbouncer"
    exit 0
  fi
done
echo "Debian's later releases have no PgBouncer that runs here" >&2
exit 1
