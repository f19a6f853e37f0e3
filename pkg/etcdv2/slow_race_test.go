//go:build race

package etcdv2

// slowness is how much longer things may take with the race detector.
const slowness = 5
