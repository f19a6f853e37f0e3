package editor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/conftool/confctl/pkg/editor"
)

// inTerminal set to a command makes this test binary a program that edits one
// text with it, on its own streams: what confctl is to a terminal.
const inTerminal = "EDITOR_TEST_IN_TERMINAL"

func TestMain(m *testing.M) {
	if command := os.Getenv(inTerminal); command != "" {
		editInTerminal(command)
		return
	}
	os.Exit(m.Run())
}

// editInTerminal prints how an edit ended, and asks its question on the terminal.
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

// terminal starts this program on a new terminal and returns our end of it.
func terminal(t *testing.T, command string) (*os.File, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), inTerminal+"="+command, "TMPDIR="+t.TempDir())
	master, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // if the test has failed; else it has ended
		_ = cmd.Wait()
		_ = master.Close()
	})
	return master, bufio.NewReader(master)
}

// await reads what the terminal shows until it shows text.
func await(t *testing.T, shown *bufio.Reader, text string) {
	t.Helper()
	var got strings.Builder
	for !strings.Contains(got.String(), text) {
		c, err := shown.ReadByte()
		if err != nil {
			t.Fatalf("the terminal showed %q and then %v, want %q", got.String(), err, text)
		}
		got.WriteByte(c)
	}
}

func typeText(t *testing.T, master io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(master, text); err != nil {
		t.Fatal(err)
	}
}

// The editor has the terminal to itself while it runs, and we have it back
// afterwards: both rounds and the question between them read from it.
func TestEditorReadsFromTheTerminal(t *testing.T) {
	master, shown := terminal(t, script(t,
		`[ -t 0 ] && [ -t 1 ] || exit 9; stty -echo; printf 'weight? '; read w </dev/tty; stty echo; echo "weight: $w" >"$1"`))
	await(t, shown, "weight? ")
	typeText(t, master, "bad\n")
	await(t, shown, "again? ")
	typeText(t, master, "y\n")
	await(t, shown, "weight? ")
	typeText(t, master, "15\n")
	await(t, shown, `DONE "weight: 15\n"`)
}

// ^C reaches the editor and us; neither hangs, and the terminal is not lost to a
// process that lives on.
func TestInterruptFromTheTerminal(t *testing.T) {
	master, shown := terminal(t, script(t, `printf 'weight? '; read w; echo "weight: $w" >"$1"`))
	await(t, shown, "weight? ")
	typeText(t, master, "\x03")
	await(t, shown, "INTERRUPTED")
}
