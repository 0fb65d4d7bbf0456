"""What is built for the cluster: its own programs, and those that cases run beside it.

On two cores Kubernetes takes 7 minutes, Flannel 4, the reference plugins 15 seconds.
"""

from __future__ import annotations

from cluster import versions
from cluster.build import Job, staging


def kubernetes() -> Job:
    """Return the job that builds the control plane and the node's programs."""
    release = f"v{versions.KUBERNETES}"
    module = "k8s.io/kubernetes"
    _, minor, patch = versions.KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    flags = {"gitVersion": release, "gitMajor": "1", "gitMinor": minor}
    return Job(
        folder=versions.kubernetes(),
        requires=((module, release),),
        packages=tuple(f"{module}/cmd/{command}" for command in versions.COMMANDS),
        stamp=" ".join(f"-X {version}.{name}={value}" for name, value in flags.items()),
        replaces=()
        if all((versions.kubernetes() / name).exists() for name in versions.COMMANDS)
        else staging(module, release, f"v0.{minor}.{patch}"),
    )


def reference_plugins() -> Job:
    """Return the job that builds the plugins that ours are compared with."""
    module = "github.com/containernetworking/plugins"
    return Job(
        folder=versions.reference_plugins(),
        requires=((module, f"v{versions.PLUGINS}"),),
        packages=tuple(
            f"{module}/plugins/{kind}/{name}"
            for kind, names in versions.REFERENCE.items()
            for name in names
        ),
    )


def cnitool() -> Job:
    """Return the job that builds the specification's own caller."""
    module = "github.com/containernetworking/cni"
    return Job(
        folder=versions.tools(),
        requires=((module, f"v{versions.CNI}"),),
        packages=(f"{module}/cnitool",),
    )


def helm() -> Job:
    """Return the job that builds Helm."""
    module = "helm.sh/helm/v4"
    return Job(
        folder=versions.tools(),
        requires=((module, f"v{versions.HELM}"),),
        packages=(f"{module}/cmd/helm",),
    )


def containerd() -> Job:
    """Return the job that builds a containerd that has NRI."""
    module = "github.com/containerd/containerd/v2"
    commands = ("containerd", "containerd-shim-runc-v2", "ctr")
    return Job(
        folder=versions.containerd(),
        requires=((module, f"v{versions.CONTAINERD}"),),
        packages=tuple(f"{module}/cmd/{command}" for command in commands),
    )


def multus() -> Job:
    """Return the job that builds the reference meta-plugin, thin."""
    module = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
    return Job(
        folder=versions.multus(),
        requires=((module, f"v{versions.MULTUS}"),),
        packages=(f"{module}/cmd/multus",),
    )


def multus_thick() -> Job:
    """Return the job that builds the reference meta-plugin's daemon, and what the runtime calls."""
    module = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
    return Job(
        folder=versions.multus(),
        requires=((module, f"v{versions.MULTUS}"),),
        packages=(f"{module}/cmd/multus-daemon", f"{module}/cmd/multus-shim"),
    )


def flannel() -> Job:
    """Return the job that builds Flannel's daemon and what installs its configuration.

    On x86_64 a part of it is C. Its backend for one vendor's cloud asks for a release of that
    vendor's library that the module proxy does not hand out everywhere.
    """
    module = "github.com/flannel-io/flannel"
    return Job(
        folder=versions.flannel(),
        requires=((module, f"v{versions.FLANNEL}"),),
        packages=(module, f"{module}/cmd/install_conf"),
        replaces=(("github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc", "v1.3.75"),),
        files=("Documentation/kube-flannel.yml",),
        has_c=True,
    )


def flannel_plugin() -> Job:
    """Return the job that builds the plugin `flannel`, as the reference plugins last had it.

    The module of today's, github.com/flannel-io/cni-plugin, is not on the module proxy everywhere.
    With today's library this one speaks the version of Flannel's configuration.
    """
    module = "github.com/containernetworking/plugins"
    return Job(
        folder=versions.flannel_plugin(),
        requires=(
            (module, f"v{versions.FLANNEL_PLUGIN}"),
            ("github.com/containernetworking/cni", f"v{versions.CNI}"),
        ),
        packages=(f"{module}/plugins/meta/flannel",),
    )


JOBS = {
    "kubernetes": kubernetes,
    "plugins": reference_plugins,
    "cnitool": cnitool,
    "helm": helm,
    "containerd": containerd,
    "multus": multus,
    "multus-thick": multus_thick,
    "flannel": flannel,
    "flannel-plugin": flannel_plugin,
}
