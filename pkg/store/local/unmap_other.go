//go:build !linux

package local

import "os"

// unmap does nothing where the kernel does not list the maps of a process.
func unmap(*os.File, uintptr) error { return nil }
