"""What the agent may do at the API server, and the policy that narrows it to its own node's pods.

Complete (docs/adr): read definitions, pods and what their claims stand for, write one annotation of
this node's pods, write events. A role cannot say "only the annotation" or "only this node": the
admission policy does.
"""

from __future__ import annotations

from polypod.install.crd import GROUP, PLURAL
from polypod.install.values import Values

ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
DYNAMIC = "resource.k8s.io"
_NODE = "authentication.kubernetes.io/node-name"


def service_account(values: Values) -> dict[str, object]:
    """Return the agent's identity."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": values.name, "namespace": values.namespace},
    }


def cluster_role(values: Values) -> dict[str, object]:
    """Return the agent's rights."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": values.name},
        "rules": [
            {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
            # Which network devices a pod's claims stand for: the claim names, the slices tell.
            {"apiGroups": [DYNAMIC], "resources": ["resourceclaims"], "verbs": ["get"]},
            {"apiGroups": [DYNAMIC], "resources": ["resourceslices"], "verbs": ["list"]},
        ],
    }


def cluster_role_binding(values: Values) -> dict[str, object]:
    """Return who has these rights."""
    return _binding("ClusterRole", {"name": values.name}, values)


def own_role(values: Values) -> dict[str, object]:
    """Return the right to see the own DaemonSet: how the agent learns that it is uninstalled."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": values.name, "namespace": values.namespace},
        "rules": [
            {
                "apiGroups": ["apps"],
                "resources": ["daemonsets"],
                "resourceNames": [values.name],
                "verbs": ["get"],
            }
        ],
    }


def own_role_binding(values: Values) -> dict[str, object]:
    """Return who has that right."""
    return _binding("Role", {"name": values.name, "namespace": values.namespace}, values)


def _binding(role: str, metadata: dict[str, str], values: Values) -> dict[str, object]:
    """Return what gives the agent's account the role of its own name."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{role}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": values.name},
        "subjects": [
            {"kind": "ServiceAccount", "name": values.name, "namespace": values.namespace}
        ],
    }


def policy(values: Values) -> dict[str, object]:
    """Return the rule for what the agent sends to `pods/status` (CEL)."""
    user = f"system:serviceaccount:{values.namespace}:{values.name}"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": values.name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["pods/status"],
                    }
                ]
            },
            "matchConditions": [
                {"name": "agent", "expression": f"request.userInfo.username == '{user}'"}
            ],
            "variables": [
                {"name": "before", "expression": _annotations("oldObject")},
                {"name": "after", "expression": _annotations("object")},
            ],
            "validations": [
                {
                    "expression": f"'{_NODE}' in request.userInfo.extra &&"
                    f" request.userInfo.extra['{_NODE}'][0] == object.spec.nodeName",
                    "message": "an agent may write only to pods of its own node",
                },
                {
                    "expression": "object.status == oldObject.status &&"
                    " object.metadata.?labels == oldObject.metadata.?labels &&"
                    " object.metadata.?finalizers == oldObject.metadata.?finalizers &&"
                    " object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences",
                    "message": "an agent may write nothing but its annotation",
                },
                {
                    "expression": f"variables.after.all(k, k == '{ANNOTATION}' ||"
                    " (k in variables.before && variables.before[k] == variables.after[k])) &&"
                    f" variables.before.all(k, k == '{ANNOTATION}' || k in variables.after)",
                    "message": f"an agent may write no annotation but {ANNOTATION}",
                },
            ],
        },
    }


def policy_binding(values: Values) -> dict[str, object]:
    """Return where the rule holds: everywhere."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": values.name},
        "spec": {"policyName": values.name, "validationActions": ["Deny"]},
    }


def _annotations(name: str) -> str:
    return f"{name}.metadata.?annotations.orValue({{}})"
