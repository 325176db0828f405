#!/bin/sh
# Makes a cluster, loads the profile of ../web on the host, of which the nodes are containers,
# runs a pod under it, and explains what it was refused with the names of the pod. Root, kind,
# kubectl, Docker, a kernel with AppArmor.
set -eu
cd "$(dirname "$0")"
apparmor_parser -r ../web/web.apparmor
kind create cluster --config cluster.yaml
kubectl apply -f pod.yaml
kubectl wait --for=condition=Ready --timeout=120s pod/web || true
kubectl get pod -o json >pods.json
whydenied explain --since 5m --profile ../web/web.apparmor --inventory pods.json
