"""`./dev demo`: two nodes, their pods and several networks in a lab of network namespaces."""
