#!/bin/sh
# As the published image: root only to take over the volume.
set -eu
if [ "$(id -u)" = 0 ]; then
  chown -R seaweed:seaweed /data
  exec setpriv --reuid=seaweed --regid=seaweed --init-groups "$0" "$@"
fi
exec /usr/bin/weed -logtostderr=true "$@"
