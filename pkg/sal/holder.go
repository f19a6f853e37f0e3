package sal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Holder is a process, known from all others: who may send a message. Host
// and PID are for people. The other fields are empty where the system does not
// say; of a process without them nobody knows whether it is alive.
type Holder struct {
	Host      string `json:"host"`
	PID       int    `json:"pid"`
	Boot      string `json:"boot,omitempty"`          // of the kernel: the same on no other host
	Namespace string `json:"pid_namespace,omitempty"` // in which PID counts
	Start     string `json:"start,omitempty"`         // in clock ticks since the boot
}

// ThisProcess returns this process on a host of that name.
func ThisProcess(host string) Holder {
	h := Holder{Host: host, PID: os.Getpid()}
	// The files of another namespace would be about other processes.
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

// dead reports whether it is certain, from where another process stands, that
// this one has ended.
func (h Holder) dead(from Holder) bool {
	if h.Start == "" || h.Boot != from.Boot || h.Namespace != from.Namespace {
		return false
	}
	if errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH) {
		return true
	}
	// What /proc does not show may be another user's.
	state, start, ok := status(h.PID)
	return ok && (start != h.Start || state == "Z" || state == "X")
}

// status returns the state of a process, Z and X being those of a dead one,
// and when it was started.
func status(pid int) (state, start string, ok bool) {
	const stateField, startField = 0, 19 // from the one after the name, see proc_pid_stat(5)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // a name may hold anything
	if len(fields) <= startField {
		return "", "", false
	}
	return fields[stateField], fields[startField], true
}
