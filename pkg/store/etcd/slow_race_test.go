//go:build race

package etcd

// slowness is the factor by which limits of time grow with the race detector.
const slowness = 2
