"""Every error raised on purpose: the CNI code the runtime sees, a slug, a cause, a hint.

Fronts turn these into the error object of CNI 1.1.0, section 5; `polypod explain SLUG` prints
the hint.
The class says what the reader should do next; messages never hold stdin, tokens or environment.
"""

from __future__ import annotations

MAX_CAUSE = 2000


def one_line(text: str) -> str:
    """Return text on one line, bounded, without signs that would command a terminal."""
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)
    return text if len(text) <= MAX_CAUSE else f"{text[:MAX_CAUSE]}..."


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape", "backslashreplace").decode("ascii")


class PolypodError(Exception):
    """Carry one cause in one line, what to do about it, and the number for the runtime."""

    code: int = 999
    slug: str = "internal"
    hint: str = "this is a defect of Polypod: please report it with the daemon's log"
    is_verbatim: bool = False
    """Whether the cause is somebody else's text, which is passed on as it is."""

    def __init__(
        self, cause: str, *, hint: str | None = None, details: str = "", code: int | None = None
    ) -> None:
        """Keep the cause; hint, details and code override the class's."""
        super().__init__(cause)
        self.cause = cause
        self.details = details
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code

    @property
    def cause(self) -> str:
        """Return what went wrong, in one line."""
        return self._cause

    @cause.setter
    def cause(self, text: str) -> None:
        """Say it in other words, for example with the network's name before it."""
        self._cause = text if self.is_verbatim else one_line(text)
        self.args = (self._cause,)


class IncompatibleVersionError(PolypodError):
    """The configuration asks for a CNI version that is not spoken, or a verb its version lacks."""

    code = 1
    slug = "incompatible-version"
    hint = "set cniVersion to one of 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"


class UnsupportedError(PolypodError):
    """This kernel or host lacks a feature; the cause names it and the minimum version."""

    code = 2
    slug = "unsupported"
    hint = "use a kernel that has the feature, or another network type"


class UnknownContainerError(PolypodError):
    """Nothing is known of this container."""

    code = 3
    slug = "unknown-container"
    hint = "nothing to do: the container was never attached, or is gone already"


class InvalidEnvironmentError(PolypodError):
    """A CNI_* variable is missing or malformed."""

    code = 4
    slug = "invalid-environment"
    hint = "the caller must set the variables of CNI 1.1.0, section 3"


class StorageError(PolypodError):
    """The node's disk refused; nothing was changed."""

    code = 5
    slug = "storage"
    hint = "look for a full or read-only file system below the state folder"


class DecodeError(PolypodError):
    """Bytes that should be JSON, YAML or a frame are not."""

    code = 6
    slug = "decode"
    hint = "check the text with `polypod lint` or a JSON parser"


class InvalidConfigError(PolypodError):
    """The network configuration cannot be used as it stands."""

    code = 7
    slug = "invalid-config"
    hint = "correct the NetworkAttachmentDefinition or the configuration file"


class NoNetworkError(InvalidConfigError):
    """A pod asks for a network that there is no definition of."""

    slug = "no-network"
    hint = "create the NetworkAttachmentDefinition, or correct its name in the pod's annotation"


class InvalidAnnotationError(PolypodError):
    """A pod's annotation does not follow the Network Plumbing specification."""

    code = 7
    slug = "invalid-annotation"
    hint = "correct the pod's annotation k8s.v1.cni.cncf.io/networks"


class InvalidNetnsError(PolypodError):
    """The network namespace is missing, or is the caller's own."""

    code = 8
    slug = "invalid-netns"
    hint = "the sandbox is gone or its namespace is not mounted where the caller looks"


class TryAgainError(PolypodError):
    """A passing condition: the runtime should repeat the call."""

    code = 11
    slug = "try-again"
    hint = "nothing to do: the runtime repeats the call"


class UnavailableError(PolypodError):
    """STATUS: the node cannot serve ADD now."""

    code = 50
    slug = "unavailable"
    hint = "see `polypod status` and the daemon's log"


class PluginError(PolypodError):
    """A network plugin refuses its configuration or the host's state (the reference's code 999)."""

    code = 999
    slug = "plugin"
    hint = "correct the network's configuration, or the host's state that the cause names"


class ConflictError(PolypodError):
    """Somebody else owns what was asked for: a name, an address, a MAC."""

    code = 999
    slug = "conflict"
    hint = "choose another name or address, or wait until its owner has gone"


class ApiError(PolypodError):
    """The API server refused a request; the cause has its own words."""

    code = 11
    slug = "api-server"
    hint = "403 and 401 point to the service account's role, 404 to a missing object or CRD"

    def __init__(self, cause: str, *, status: int) -> None:
        """Keep the HTTP status beside the cause."""
        super().__init__(cause)
        self.status = status


class RpcError(PolypodError):
    """The kubelet or the container runtime refused a call; the cause has its own words."""

    code = 11
    slug = "rpc"
    hint = "see the log of the kubelet, or of the container runtime"

    def __init__(self, cause: str, *, status: int) -> None:
        """Keep gRPC's status beside the cause."""
        super().__init__(cause)
        self.status = status


class KernelError(PolypodError):
    """The kernel refused a message; the cause has its own words."""

    code = 999
    slug = "kernel"
    hint = "the kernel's text in the cause says why"

    def __init__(self, cause: str, *, errno: int = 0, hint: str | None = None) -> None:
        """Keep errno (positive) beside the cause."""
        super().__init__(cause, hint=hint)
        self.errno = errno


class ForeignError(PolypodError):
    """Another project's plugin failed; code, cause and details are its own."""

    code = 999
    slug = "foreign-plugin"
    is_verbatim = True
    hint = "see that plugin's documentation"


class NotStartedError(ForeignError):
    """Another project's plugin is not there, or cannot be executed: it did nothing."""

    slug = "plugin-not-started"
    is_verbatim = False
    hint = (
        "install the plugin for this machine where the cause looks for it, or use a built-in type"
    )


class InternalError(PolypodError):
    """A defect of Polypod."""
