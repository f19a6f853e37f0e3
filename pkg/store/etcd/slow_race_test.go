//go:build race

package etcd

// slowness is how much longer things may take with the race detector.
const slowness = 2
