package local

import (
	"os"
	"syscall"
)

// lockTurnstile locks or unlocks a byte far beyond the end of the file, which is
// independent of flock. The lock belongs to the open file description, so it also
// excludes other goroutines.
func lockTurnstile(file *os.File, how int16) error {
	const setLock = 37 // F_OFD_SETLK, which package syscall lacks
	return syscall.FcntlFlock(file.Fd(), setLock, &syscall.Flock_t{Type: how, Start: 1 << 62, Len: 1})
}
