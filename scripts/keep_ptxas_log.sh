#!/bin/sh
# Runs the compiler command that it is given and keeps what ptxas says about resources (-Xptxas -v)
# beside the object, as OBJECT.ptxas, for scripts/check_cuda_resources.py. Everything else that the
# compiler says comes through.
object=
previous=
for argument in "$@"; do
  if [ "$previous" = -o ]; then
    object=$argument
  fi
  previous=$argument
done
if [ -z "$object" ]; then  # not a compilation
  exec "$@"
fi
"$@" 2>"$object.ptxas"
status=$?
grep -v -e '^ptxas info' -e '^ *[0-9][0-9]* bytes stack frame' "$object.ptxas" >&2
exit $status
