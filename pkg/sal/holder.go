package sal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// A Holder identifies the process that may send a message. Host and PID are for
// people. The other fields are empty if the system does not provide them; then
// other processes cannot tell whether the process is alive.
type Holder struct {
	Host      string `json:"host"`
	PID       int    `json:"pid"`
	Boot      string `json:"boot,omitempty"`          // boot id of the kernel, unique to a boot of a host
	Namespace string `json:"pid_namespace,omitempty"` // PID namespace
	Start     string `json:"start,omitempty"`         // in clock ticks since boot
}

// ThisProcess returns the Holder of this process, with the given name of its
// host.
func ThisProcess(host string) Holder {
	h := Holder{Host: host, PID: os.Getpid()}
	// A /proc of another PID namespace would describe other processes.
	if self, err := os.Readlink("/proc/self"); err != nil || self != fmt.Sprint(h.PID) {
		return h
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return h
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return h
	}
	if state, start, ok := status(h.PID); ok && state != "Z" {
		h.Boot, h.Namespace, h.Start = strings.TrimSpace(string(boot)), namespace, start
	}
	return h
}

// dead reports whether the process has certainly ended, as far as the process
// observer can tell.
func (h Holder) dead(observer Holder) bool {
	if h.Start == "" || h.Boot != observer.Boot || h.Namespace != observer.Namespace {
		return false
	}
	if errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH) {
		return true
	}
	// The process may be hidden in /proc because it belongs to another user.
	state, start, ok := status(h.PID)
	return ok && (start != h.Start || state == "Z" || state == "X")
}

// status returns the state of a process, Z or X if it is dead, and its start
// time.
func status(pid int) (state, start string, ok bool) {
	const stateField, startField = 0, 19 // counted after the name, see proc_pid_stat(5)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // a name may contain any character
	if len(fields) <= startField {
		return "", "", false
	}
	return fields[stateField], fields[startField], true
}
