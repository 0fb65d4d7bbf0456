"""What the keys of each built-in type mean; plugins.py compares them with the code that reads them.

The last word of a path is the key; `[]` marks a list's entries.
"""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, Mapping[str, str]] = {
    "bridge": {
        "bridge": "name of the bridge in the host; `cni0` without it. Made when it is not there.",
        "isGateway": "the bridge carries the gateway's address, and forwarding is switched on",
        "isDefaultGateway": "as `isGateway`, and the pod's default route goes there",
        "forceAddress": "replace another address on the bridge instead of refusing",
        "ipMasq": "masquerade what leaves the pod's networks; always by nftables",
        "ipMasqBackend": "`iptables` or `nftables`; either way the rules are nftables'",
        "mtu": "MTU of the bridge and of the pair",
        "hairpinMode": "let the port send back what it received; not with `promiscMode`",
        "promiscMode": "set the bridge promiscuous; not with `hairpinMode`",
        "vlan": "untagged VLAN of the port, 0 to 4094; switches VLAN filtering on",
        "vlanTrunk": "tagged VLANs of the port; switches VLAN filtering on, even when empty",
        "vlanTrunk[].id": "one VLAN, 1 to 4094",
        "vlanTrunk[].minID": "first VLAN of a range; together with `maxID`",
        "vlanTrunk[].maxID": "last VLAN of a range",
        "preserveDefaultVlan": "keep the VLAN that a new port has (normally 1)",
        "macspoofchk": "drop frames of the pod that carry another source MAC (nftables)",
        "enabledad": "let IPv6 duplicate address detection run",
        "disableContainerInterface": "leave the pod's end down; not with IPAM",
        "portIsolation": "isolated ports of one bridge do not reach each other",
        "args.cni.mac": "MAC of the pod's end, unless `runtimeConfig.mac` says another",
    },
    "macvlan": {
        "master": "parent device; without it, the device of the default route",
        "mode": "`bridge` (without it), `private`, `vepa` or `passthru`",
        "mtu": "0 to the parent's MTU; 0 takes the parent's",
        "mac": "MAC, unless `runtimeConfig.mac` or CNI_ARGS say another",
        "linkInContainer": "the parent is in the pod's namespace",
        "bcqueuelen": "length of the queue for broadcast and multicast",
    },
    "ipvlan": {
        "master": "parent device; without it, the one interface of `prevResult`, else the device "
        "of the default route",
        "mode": "`l2` (without it), `l3` or `l3s`",
        "mtu": "0 to the parent's MTU; 0 takes the parent's",
        "linkInContainer": "the parent is in the pod's namespace",
    },
    "loopback": {},
    "passthru": {},
    "tuning": {
        "sysctl": "values by name, below `net.` only; `IFNAME` stands for the interface",
        "mac": "MAC of the interface",
        "mtu": "MTU of the interface",
        "promisc": "promiscuous mode",
        "allmulti": "receive all multicast",
        "txQLen": "length of the transmit queue",
        "dataDir": "folder of the backups, `/run/cni/tuning` without it",
    },
    "host-local": {
        "ipam.ranges[][]": "sets of ranges; one address of each set",
        "ipam.ranges[][].subnet": "network in CIDR form",
        "ipam.ranges[][].rangeStart": "first address; the network's first without it",
        "ipam.ranges[][].rangeEnd": "last address; the network's last without it",
        "ipam.ranges[][].gateway": "the network's first address without it; never handed out",
        "ipam.subnet": "the older form of one range, `rangeStart` and the others beside it",
        "ipam.routes[]": "each `dst`, `gw`, `mtu`, `advmss`, `priority`, `table`, `scope`",
        "ipam.dataDir": "folder of the leases, only below the allowed roots",
        "ipam.resolvConf": "a resolv.conf whose entries become the result's DNS",
        "runtimeConfig.ipRanges[][]": "more sets, before those of the configuration",
        "runtimeConfig.ips[]": "wanted addresses",
        "args.cni.ips[]": "wanted addresses",
    },
    "static": {
        "ipam.addresses[]": "the addresses",
        "ipam.addresses[].address": "address in CIDR form",
        "ipam.addresses[].gateway": "its gateway",
        "ipam.dns": "name servers, domain, search, options for the result",
        "runtimeConfig.ips[]": "addresses in CIDR form; win over all others",
        "args.cni.ips[]": "addresses in CIDR form; win over the configuration's",
    },
}
NOTES: Mapping[str, str] = {
    "bridge": "The MAC may be asked for by `runtimeConfig.mac`, `args.cni.mac` or `MAC=` in "
    "CNI_ARGS, in this order. The bridge is shared: nobody removes it.",
    "macvlan": "The MAC may be asked for by `runtimeConfig.mac`, `MAC=` in CNI_ARGS or `mac`, in "
    "this order.",
    "tuning": "A chained plugin: it changes the interface that the plugins before it made. The "
    "keys, except `dataDir`, may also stand in `args.cni`, which wins. Former values are kept in a "
    "backup file and put back on DEL. `/etc/cni/tuning/allowlist.conf`, if there, names the "
    "sysctls that may be set.",
    "loopback": "It has no keys of its own: it sets `lo` up.",
    "passthru": "It does nothing and reports an empty result, as the first plugin of a chain that "
    "only changes what is there.",
    "host-local": "Leases are files in the reference plugin's place and form, under its lock, so "
    "both can share a node: `<dataDir>/<network>/<address>`. CNI_ARGS may ask for one address by "
    "`IP=`.",
    "static": "Nothing is reserved. CNI_ARGS may carry `IP=` and `GATEWAY=`, comma separated; "
    "they add to the configuration's addresses.",
}
