#!/bin/sh
# The docker commands of the lab push-and-pull, without any check: what `run-lab push-and-pull` is
# compared with. Everything it creates is removed again.
set -eu
cd "$(dirname "$0")/.."
name=bench-push-and-pull-$$
image=
second=

clean_up() {
    docker rm -f -v "$name" >/dev/null 2>&1 || true
    for each in "$name" $image $second; do
        docker image rm "$each" >/dev/null 2>&1 || true
    done
}
trap clean_up EXIT
trap 'exit 130' INT TERM

docker run -d -p 127.0.0.1::5000 --name "$name" registry:2 >/dev/null
port=$(docker port "$name" 5000)
registry=localhost:${port##*:}
image=$registry/$name
second=$registry/team/hello:2.0

tries=0
until curl -fs "http://$registry/v2/" >/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "No registry answers at $registry." >&2; exit 1; }
    sleep 0.1
done

docker build -q --build-arg WORKSPACE="$name" -t "$name" labs/push-and-pull >/dev/null
docker image tag "$name" "$image"
docker push "$image" >/dev/null
docker image rm "$name" "$image" >/dev/null
docker pull "$image" >/dev/null
docker run --rm "$image" >/dev/null
docker image tag "$image" "$second"
docker push "$second" >/dev/null
docker image rm "$second" >/dev/null
