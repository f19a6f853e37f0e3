//go:build race

package etcdv2

// slowness is the factor by which the race detector may slow down a test.
const slowness = 5
