"""`./dev cluster build|up|down|in|status`: a real one-node cluster in a namespace of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from cluster import build, jobs, life, processes
from cluster.place import Place, here

PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "kubelet", "kube-proxy"),
)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    options = argparse.ArgumentParser(prog="./dev cluster", description=__doc__)
    verbs = options.add_subparsers(dest="verb", required=True)
    built = verbs.add_parser("build", help="build the programs from their Go modules (once)")
    built.add_argument("what", nargs="*", choices=[[], *jobs.JOBS], help="default: what up needs")
    started = verbs.add_parser("up", help="start it, and wait for a Ready node")
    started.add_argument("--control-plane", action="store_true", help="only etcd and API server")
    verbs.add_parser("down", help="stop it and leave nothing")
    verbs.add_parser("status", help="which of its programs run")
    verbs.add_parser("can", help="tell whether this machine can build and run it")
    inner = verbs.add_parser("in", help="run a command inside, with kubectl and its credentials")
    inner.add_argument("command", nargs=argparse.REMAINDER)
    return options


def main(words: list[str]) -> int:
    """Run one verb; return the exit code."""
    chosen, place = parser().parse_args(words), here()
    try:
        return _run(chosen, place)
    except (build.MissingGoError, processes.NotReadyError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace, place: Place) -> int:
    if chosen.verb == "build":
        for name in chosen.what or ("plugins", "kubernetes"):
            build.build(jobs.JOBS[name]())
    elif chosen.verb == "up":
        begin = time.monotonic()
        life.up(place, with_node=not chosen.control_plane)
        print(f"ready after {time.monotonic() - begin:.1f} s: ./dev cluster in kubectl get nodes")
    elif chosen.verb == "down":
        life.down(place)
    elif chosen.verb == "can":
        life.check_tools()
        build.go()
    elif chosen.verb == "status":
        for name in PROGRAMS:
            pid = processes.pid_of(place, name)
            print(f"{name:26} {'runs, pid ' + str(pid) if pid else 'does not run'}")
    else:
        command = processes.inside(place, chosen.command or ["sh"])
        return subprocess.run(command, env=life.environment(place), check=False).returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
