#!/bin/sh
# It uses the stub over HTTP alone: break a call, make it, look at what arrived.
# sh stub.sh http://127.0.0.1:8080/api/v1
set -eu

api=$1
control=$(echo "$api" | cut -d/ -f1-3)/_stub
answer=$(mktemp -d)
trap 'rm -r "$answer"' EXIT

post() {
  curl --silent --show-error --noproxy '*' --dump-header "$answer/head" --output "$answer/body" \
    --header 'Content-Type: application/json' --header 'Authorization: Bearer any-key' \
    --data "$2" "$1"
}

speak() {
  post "$api/audio/speech" "{\"input\": \"$1\", \"model\": \"any/model\", \"voice\": \"alloy\"}"
}

status() { head -n 1 "$answer/head" | cut -d' ' -f2; }
header() { tr -d '\r' < "$answer/head" | sed -n "s/^$1: //Ip"; }

post "$control/faults" '{"fault": 429, "retry_after": 3, "times": 1}'

speak "Hello"
echo "refused: $(status) come back in $(header retry-after) s"

speak "Hello again"
echo "spoken: $(status) $(wc -c < "$answer/body" | tr -d ' ') bytes"

# jq would be the right tool, but sed is everywhere.
curl --silent --show-error --noproxy '*' --write-out '\n' "$control/requests" | sed 's/{"method"/\
&/g' | sed -n 's/.*"method":"\([A-Z]*\)","path":"\([^"]*\)".*"input":"\([^"]*\)".*"status":\([0-9]*\).*/\1 \2 \4 \3/p'
