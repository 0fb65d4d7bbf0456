"""The only room that speaks netlink, nftables and sysctl, and that enters a network namespace."""
