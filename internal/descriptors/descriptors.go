// Package descriptors ends a program that may open too few files, before it
// begins: import it for that.
//
// The Go runtime crashes with a trace when it cannot open the two descriptors
// it waits with, which is when the first file is opened. Libraries do that
// before main (protobuf reads the program's own file), so it is too late there
// to look. Packages are initialized in the order of their import paths as soon
// as what they import is; this one imports nothing but syscall, and so comes
// before those libraries, and before os.
package descriptors

import "syscall"

// needed is how many files a command may have to open at once: its
// configuration, the store or connections to it, sinks, and those two.
const needed = 16

const (
	ofProcess = "confctl: too many open files: 16 more are needed than the limit allows\n" +
		"  raise it: ulimit -n 1024; in a systemd unit: LimitNOFILE=1024\n"
	ofSystem = "confctl: too many open files in the whole system\n" +
		"  raise the limit: sysctl fs.file-max\n"
)

func init() { //nolint:gochecknoinits // see above
	if message := check(); message != "" {
		_, _ = syscall.Write(2, []byte(message)) // if nobody can be told, the exit code says it
		syscall.Exit(1)
	}
}

// check opens as many files as are needed, and closes them again: what the
// program was started with counts, too. It returns what to say if that fails.
func check() string {
	for range needed {
		fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		switch err {
		case nil:
			defer func() { _ = syscall.Close(fd) }() // nothing was written to it
		case syscall.EMFILE:
			return ofProcess
		case syscall.ENFILE:
			return ofSystem
		default: // which tells nothing of a limit
			return ""
		}
	}
	return ""
}
