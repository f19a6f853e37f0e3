//go:build !race

package etcdv2

// slowness is how much longer things may take.
const slowness = 1
