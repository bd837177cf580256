// The kernel could not start the emulated program by itself: children are started by the script that started this process.
process.execPath = process.env.LICHEN_ARM64_NODE;
