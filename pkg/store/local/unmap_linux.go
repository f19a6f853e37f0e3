package local

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// unmap removes the memory map of a file that begins at an address or, if at is 0,
// all maps of the file in this process. bbolt does not expose its maps, so unmap
// finds them in /proc/self/maps.
func unmap(file *os.File, at uintptr) (err error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		begin, end, mapped := parseMap(lines.Text())
		if mapped != strings.ReplaceAll(path, "\n", `\012`) || at != 0 && at != begin {
			continue
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MUNMAP, begin, end-begin, 0); errno != 0 {
			err = errors.Join(err, errno)
		}
	}
	return err
}

// parseMap parses a line such as
//
//	7f2b1c000000-7f2b1c008000 r--s 00000000 fd:01 1234    /var/lib/confctl/state.db
//
// It returns an empty path for a map that is not shared and read-only.
func parseMap(line string) (begin, end uintptr, path string) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 6 || fields[1] != "r--s" {
		return 0, 0, ""
	}
	if _, err := fmt.Sscanf(fields[0], "%x-%x", &begin, &end); err != nil {
		return 0, 0, ""
	}
	return begin, end, strings.TrimLeft(fields[5], " ")
}
