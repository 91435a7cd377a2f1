# Sourced by the commands beside it, from the root of the checkout: `environment LOCK` makes or
# reuses .venv and installs LOCK into it, with hashes, only when LOCK is not what was installed
# there last. Speaks on standard error, so that a command's own output stays its own.

python_at_least_3_11='import sys; sys.exit(sys.version_info < (3, 11))'

environment() {
  lock=$1
  # Importing pip finds an environment whose making was interrupted, or whose Python has gone.
  if ! .venv/bin/python -c "import pip; $python_at_least_3_11" 2>/dev/null; then
    make_environment
  fi
  # The copy of the lock is the record of what is installed; it is written last.
  installed=.venv/$(echo "$lock" | tr / -)
  if ! cmp -s "$lock" "$installed"; then
    echo "installing $(grep -c == "$lock") packages into .venv (about 20 s)..." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
      --require-hashes --only-binary :all: -r "$lock" >&2
    cp "$lock" "$installed"
  fi
}

make_environment() {
  for python in python3.13 python3.12 python3.11 python3 ""; do
    if [ -z "$python" ]; then
      echo "Nod needs Python 3.11 or newer, and there is none on the PATH." >&2
      exit 1
    fi
    if "$python" -c "$python_at_least_3_11" 2>/dev/null; then break; fi
  done
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python cannot make virtual environments: its venv module is not complete." >&2
    echo "On Debian and Ubuntu:  sudo apt install python$version-venv" >&2
    exit 1
  fi
  echo "making .venv with $("$python" --version)" >&2
  "$python" -m venv --clear .venv
}
