package ptytest_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/ptytest"
)

// TestLastWords: what a program shows as it ends is always seen.
func TestLastWords(t *testing.T) {
	for range 50 {
		term := ptytest.Start(t, exec.Command("sh", "-c", "echo last words; exit 7"))
		if code := term.End(); code != 7 || term.Shown() != "last words\r\n" {
			t.Fatalf("exit code %d, shown %q", code, term.Shown())
		}
	}
}

// TestTerminal: the program has the terminal, but for the streams that are set.
func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", `[ -t 0 ] && [ ! -t 1 ] && [ -t 2 ] || exit 1; trap 'echo caught >&2' INT; echo to stdout; echo "which? " >&2; read -r w || read -r w; echo "$w, $1" >&2`, "sh", "it's")
	cmd.Stdout = &out
	term := ptytest.Start(t, cmd)
	term.Expect("which? ")
	term.Type("\x03")
	term.Expect("caught")
	term.Type("this\n")
	if code := term.End(); code != 0 || out.String() != "to stdout\n" || !strings.Contains(term.Shown(), "this, it's\r\n") {
		t.Errorf("exit code %d, printed %q, shown %q", code, out.String(), term.Shown())
	}
}
