"""The cluster's certificates and credentials, made by openssl for a few days."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

DAYS = "30"
WHO = {
    "admin": "system:masters",
    "node": "system:nodes",
    "controller-manager": "",
    "scheduler": "",
    "proxy": "",
}
USERS = {
    "admin": "admin",
    "node": "system:node:node1",
    "controller-manager": "system:kube-controller-manager",
    "scheduler": "system:kube-scheduler",
    "proxy": "system:kube-proxy",
}


def make(folder: Path, server: str, addresses: tuple[str, ...]) -> None:
    """Write certificates, keys, tokens and a kubeconfig for each user into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-days", DAYS, "-subj", "/CN=cluster-ca", "-keyout", "ca.key", "-out", "ca.crt"),
    )
    names = ["localhost", "kubernetes", "kubernetes.default.svc"]
    alternatives = [*(f"DNS:{name}" for name in names), *(f"IP:{place}" for place in addresses)]
    _signed(folder, "server", "/CN=kube-apiserver", ",".join(alternatives))
    _signed(folder, "kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "")
    _openssl(folder, "genrsa", "-out", "accounts.key", "2048")
    _openssl(folder, "rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
    tokens = [
        f'{name}-token,{USERS[name]},{name},"{group}"'
        if group
        else f"{name}-token,{USERS[name]},{name}"
        for name, group in WHO.items()
    ]
    (folder / "tokens.csv").write_text("\n".join(tokens) + "\n", encoding="ascii")
    for name in WHO:
        write_kubeconfig(folder, name, server)


def kubeconfig(folder: Path, name: str) -> Path:
    """Return a user's kubeconfig."""
    return folder / f"{name}.kubeconfig"


def write_kubeconfig(folder: Path, name: str, server: str) -> None:
    """Write a user's kubeconfig."""
    cluster = {"server": server, "certificate-authority": str(folder / "ca.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cluster",
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": name}}],
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": f"{name}-token"}}],
    }
    kubeconfig(folder, name).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _signed(folder: Path, name: str, subject: str, alternatives: str) -> None:
    _openssl(
        folder,
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
    )
    extension = folder / f"{name}.ext"
    extension.write_text(f"subjectAltName={alternatives}\n" if alternatives else "", "ascii")
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-days", DAYS, "-out", f"{name}.crt", "-extfile", extension.name),
    )


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True, timeout=60)
