package editor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/editor"
	"github.com/conftool/confctl/internal/ptytest"
)

// inTerminal is a variable whose value is a command. If it is set, this test binary
// edits one text with the command on its own streams, as confctl does in a terminal.
const inTerminal = "EDITOR_TEST_IN_TERMINAL"

func TestMain(m *testing.M) {
	if command := os.Getenv(inTerminal); command != "" {
		editInTerminal(command)
		return
	}
	os.Exit(m.Run())
}

// editInTerminal prints the result of an edit, and asks its question on the
// terminal.
func editInTerminal(command string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	buffer, err := editor.New(command, os.Stdin, os.Stdout, os.Stderr).Open("terminal", []byte("weight: 1\n"))
	if err != nil {
		fmt.Println("FAILED", err)
		return
	}
	var seen []string
	text, err := buffer.Edit(ctx, noBad(&seen), func(error) (bool, error) {
		fmt.Print("again? ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return line == "y\n", err
	})
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Println("INTERRUPTED")
	case err != nil:
		fmt.Println("FAILED", err)
	default:
		fmt.Printf("DONE %q\n", text)
	}
	_ = buffer.Discard()
}

// terminal starts this program on a new terminal.
func terminal(t *testing.T, command string) *ptytest.Terminal {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), inTerminal+"="+command, "TMPDIR="+t.TempDir())
	return ptytest.Start(t, cmd)
}

// The editor has the terminal to itself while it runs, and this program has it
// afterwards: both rounds and the question between them read from it.
func TestEditorReadsFromTheTerminal(t *testing.T) {
	term := terminal(t, script(t,
		`[ -t 0 ] && [ -t 1 ] || exit 9; stty -echo; printf 'weight? '; read w </dev/tty; stty echo; echo "weight: $w" >"$1"`))
	term.Expect("weight? ")
	term.Type("bad\n")
	term.Expect("again? ")
	term.Type("y\n")
	term.ExpectTimes("weight? ", 2)
	term.Type("15\n")
	term.Expect(`DONE "weight: 15\n"`)
}

// ^C reaches the editor and this program; neither hangs, and no remaining process
// holds the terminal.
func TestInterruptFromTheTerminal(t *testing.T) {
	term := terminal(t, script(t, `trap 'printf heard' INT; trap exit TERM; printf 'weight? '; while :; do read w; done`))
	term.Expect("weight? ")
	term.Type("\x03")
	term.End()
	if shown := term.Shown(); !strings.Contains(shown, "heard") || !strings.Contains(shown, "INTERRUPTED") {
		t.Errorf("shown %q", shown)
	}
}
