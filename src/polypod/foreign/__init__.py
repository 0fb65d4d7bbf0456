"""The only room that runs other people's CNI binaries: found, run, decoded."""
