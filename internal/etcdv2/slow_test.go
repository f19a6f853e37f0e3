//go:build !race

package etcdv2

// slowness is the factor by which a test may be slower.
const slowness = 1
