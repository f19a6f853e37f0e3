package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
)

// fullPipe returns a pipe that takes no more, and which nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	fillUp(t, w)
	return w
}

// fillUp writes to a pipe until it takes no more.
func fillUp(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd()) // which makes it blocking, as the program gets it
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for size := 4096; size > 0; {
		if _, err := syscall.Write(fd, make([]byte, size)); errors.Is(err, syscall.EAGAIN) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// TestInterruptedAtAFullPipe: a program that cannot write, since nobody reads,
// ends at the first signal, also if its messages are not read either.
func TestInterruptedAtAFullPipe(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	for _, c := range []struct {
		words []string
		ready string // is said when it is about to write
	}{
		{[]string{"select", "name=.*", "get"}, "local: read"},
		{[]string{"-o", "yaml", "select", "name=.*", "get"}, "local: read"},
		{[]string{"select", "dc=.*", "watch"}, "local: "},
		{[]string{"log", "-f"}, "local: "},
		{[]string{"log"}, "local: "},
		{[]string{"export"}, "local: read"},
		{[]string{"pools"}, "local: read"},
		{[]string{"sync", "--directory", "data", "--dry-run"}, "local: read"},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			for _, deaf := range []bool{false, true} {
				endsWhenAsked(t, s.command(append([]string{"--debug"}, c.words...)...), c.ready, signal, deaf)
			}
		}
	}
	for weight, deaf := range map[string]bool{"6": false, "7": true} {
		cmd := s.command("--debug", "select", "name=web9.example", "set/weight="+weight+":pooled=yes")
		endsWhenAsked(t, cmd, "local: commit", syscall.SIGTERM, deaf)
		if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": `+weight) {
			t.Errorf("the change was not made: %s", got)
		}
	}
}

// endsWhenAsked starts a program whose output is full, and sends it a signal once
// it is ready. It may have no reader of what it says either.
func endsWhenAsked(t *testing.T, cmd *exec.Cmd, ready string, signal os.Signal, deaf bool) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	cmd.Stdout, cmd.Stderr = fullPipe(t), w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { _, _ = cmd.Process.Kill(), r.Close() })
	said := bufio.NewScanner(r)
	for said.Scan() && !strings.Contains(said.Text(), ready) {
	}
	if deaf {
		fillUp(t, w)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%q, %v: it did not end", cmd.Args, signal)
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Errorf("%q, %v: %v", cmd.Args, signal, err)
	}
	if deaf {
		return
	}
	_ = w.Close()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), "interrupted") && cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("%q, %v: exit code %d, said %q, %v", cmd.Args, signal, cmd.ProcessState.ExitCode(), rest, err)
	}
}

// fullDevice is the calls that print something, by command. An empty one does
// not print, or not there.
func fullDevice() map[string][][]string {
	return map[string][][]string{
		"confctl":                  {{}, {"--help"}, {"--version"}, {"help", "set"}},
		"confctl select":           {{"name=.*", "get"}, {"-o", "json", "name=.*", "get"}, {"-o", "yaml", "name=.*", "get"}, {"-o", "table", "name=.*", "get"}, {"-o", "name", "name=.*", "get"}, {"name=.*", "watch"}, {"name=web1.example", "history"}, {"--dry-run", "name=web1.example", "set/weight=3"}, {"name=.*", "set/weight=3"}},
		"confctl tags":             {{"dc=north,cluster=web,service=http", "--action", "get", "all"}},
		"confctl pool":             {{"--dry-run", "--hostname", "db1.example"}},
		"confctl depool":           {{"--dry-run", "--hostname", "db1.example", "--gone"}},
		"confctl drain":            {{"--help"}},
		"confctl decommission":     {{"--help"}},
		"confctl sync":             {{"--dry-run", "--directory", "fewer"}},
		"confctl drift":            {{"--directory", "data"}, {"-o", "json", "--directory", "data"}},
		"confctl lint":             {{"--rules"}, {"--format", "json", "--directory", "data"}},
		"confctl export":           {{}, {"--format", "jsonl"}},
		"confctl import":           {{"--dry-run", "edited.yaml"}},
		"confctl undo":             {{"--dry-run", "last"}},
		"confctl log":              {{}, {"-o", "json"}, {"-f"}},
		"confctl log show":         {{"ID"}, {"ID", "-o", "json"}},
		"confctl log status":       {{}},
		"confctl log drop":         {{"--help"}},
		"confctl log deliver":      {{"--help"}}, // it talks
		"confctl log annotate":     {{"--help"}},
		"confctl log prune":        {{}},
		"confctl pools":            {{}, {"-o", "json"}},
		"confctl types":            {{}, {"node"}},
		"confctl check":            {{"--help"}},
		"confctl check readers":    {{"--help"}}, // else UNKNOWN, see TestScripts
		"confctl store":            {{}},
		"confctl store check":      {{}},
		"confctl serve":            {{"--help"}},
		"confctl init":             {{"--driver", "local", "--dir", "new"}},
		"confctl completion":       {{"bash"}, {"zsh"}, {"fish"}},
		"confctl version":          {{}},
		"confctl __complete":       {{"select", "na"}},
		"confctl __completeNoDesc": {{"select", "na"}},
	}
}

// TestFullDevice: where what a command prints cannot be written, one line says so,
// and the exit code is 1.
func TestFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close() //nolint:errcheck // nothing can be written
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("select", "name=db1.example", "set/weight=5:pooled=yes")
	s.file("edited.yaml", strings.Replace(s.ok("export", "node"), "weight: 5", "weight: 6", 1))
	s.file("fewer/node/north.yaml", "north:\n  db:\n    db1.example: [mysql]\n")
	id := regexp.MustCompile(`[0-9]{8}T[0-9.]+Z-[0-9a-f]+`).FindString(s.ok("log"))

	calls, message := fullDevice(), regexp.MustCompile("^confctl: the output could not be written: no space left on device(; nothing was written)?\n$")
	for commands := []*cobra.Command{newRoot(term.Streams{}, nil, "confctl")}; len(commands) > 0; commands = commands[1:] {
		commands = append(commands, commands[0].Commands()...)
		if path := commands[0].CommandPath(); len(calls[path]) == 0 {
			t.Errorf("no call of %s is tested", path)
		}
	}
	for path, all := range calls {
		for _, words := range all {
			args := slices.Concat(strings.Fields(path)[1:], words)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "ID", id)
			}
			cmd := s.command(args...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &said
			_ = cmd.Run()                   // the exit code says it
			talk, line := "", said.String() // a dry run says what would be done, the completion what to do with it
			if at := strings.Index(line, "confctl: the output"); slices.Contains(args, "--dry-run") || strings.HasPrefix(path, "confctl __") {
				talk, line = line[:max(0, at)], line[max(0, at):]
			}
			code := cmd.ProcessState.ExitCode()
			if code != exitFailed || !message.MatchString(line) || strings.Contains(talk, "no space left") {
				t.Errorf("confctl %q: exit code %d, said %q", args, code, said.String())
			}
		}
	}
}
