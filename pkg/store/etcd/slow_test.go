//go:build !race

package etcd

// slowness is how much longer things may take.
const slowness = 1
