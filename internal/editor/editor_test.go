package editor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/editor"
)

const before = "pooled: yes\nweight: 10\n"

// script writes a shell script that acts as the editor, and returns its path. In it,
// $1 is the file and $n counts the runs, from 1.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "editor")
	head := "#!/bin/sh\nn=$(($(cat \"$0.runs\" 2>/dev/null || echo 0) + 1)); echo $n >\"$0.runs\"\n"
	if err := os.WriteFile(path, []byte(head+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func runs(t *testing.T, script string) string {
	t.Helper()
	n, err := os.ReadFile(script + ".runs")
	if err != nil {
		return "0"
	}
	return strings.TrimSpace(string(n))
}

// open opens a buffer in a directory of the test.
func open(t *testing.T, command, text string) *editor.Buffer {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", t.TempDir())
	buffer, err := editor.New(command, nil, nil, nil).Open("node/north/cp1001", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return buffer
}

// noBad returns a check that refuses a text with "bad" in it, and records the texts
// that it was given.
func noBad(seen *[]string) func([]byte) error {
	return func(text []byte) error {
		*seen = append(*seen, string(text))
		if bytes.Contains(text, []byte("bad")) {
			return errors.New("weight: \"bad\" is no integer")
		}
		return nil
	}
}

// answers returns a function that answers true the given number of times, and then
// false.
func answers(yes int) func(error) (bool, error) {
	return func(error) (bool, error) { yes--; return yes >= 0, nil }
}

func never(t *testing.T) func(error) (bool, error) {
	t.Helper()
	return func(reason error) (bool, error) {
		t.Errorf("asked whether to go on, because %v", reason)
		return false, nil
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", filepath.Dir(path), err)
	}
}

// kept fails the test unless err has the path of the file and the file contains
// text.
func kept(t *testing.T, err error, buffer *editor.Buffer, text string) {
	t.Helper()
	k, ok := errors.AsType[*editor.KeptError](err)
	if !ok {
		t.Fatalf("error is %v, want a *KeptError", err)
	}
	if k.Path != buffer.Path() || !strings.Contains(err.Error(), k.Path) {
		t.Errorf("error is %q with path %q, want %q in both", err, k.Path, buffer.Path())
	}
	if got := content(t, k.Path); got != text {
		t.Errorf("kept %q, want %q", got, text)
	}
}

func TestEdit(t *testing.T) {
	tests := map[string]struct {
		script string
		yes    int
		want   string
		checks int
	}{
		"changed":                    {`echo 'note: new' >>"$1"`, 0, before + "note: new\n", 1},
		"left alone":                 {`:`, 0, before, 0},
		"written again the same":     {`cat "$1" >"$1.2"; cat "$1.2" >"$1"`, 0, before, 0},
		"emptied":                    {`: >"$1"`, 0, "", 1},
		"replaced by rename":         {`umask 0; echo 'a: 1' >"$1.swp"; mv "$1.swp" "$1"`, 0, "a: 1\n", 1},
		"replaced by a link":         {`echo 'a: 1' >"$1.2"; ln -sf "$1.2" "$1"`, 0, "a: 1\n", 1},
		"CRLF kept":                  {`printf 'a: 1\r\nb: 2\r\n' >"$1"`, 0, "a: 1\r\nb: 2\r\n", 1},
		"no line end kept":           {`printf 'a: 1' >"$1"`, 0, "a: 1", 1},
		"corrected":                  {`[ $n = 1 ] && echo bad >>"$1" || sed -i s/bad/good/ "$1"`, 1, before + "good\n", 2},
		"CRLF kept over two rounds":  {`[ $n = 1 ] && printf 'bad\r\n' >"$1" || sed -i s/bad/good/ "$1"`, 1, "good\r\n", 2},
		"corrected in the third":     {`case $n in 1) echo bad >>"$1";; 3) sed -i s/bad/good/ "$1";; esac`, 2, before + "good\n", 3},
		"taken back":                 {`[ $n = 1 ] && echo bad >>"$1" || sed -i /bad$/d "$1"`, 1, before, 1},
		"not UTF-8, then corrected":  {`[ $n = 1 ] && printf 'a: \377\n' >"$1" || printf 'a: 1\n' >"$1"`, 1, "a: 1\n", 1},
		"typed above the reason":     {`[ $n = 1 ] && echo bad >"$1" || sed -i -e '1i top: 1' -e s/^bad/good/ "$1"`, 1, "top: 1\ngood\n", 2},
		"reason deleted by the user": {`[ $n = 1 ] && echo bad >"$1" || echo '# mine' >"$1"`, 1, "# mine\n", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			buffer := open(t, script(t, tt.script), before)
			var seen []string
			got, err := buffer.Edit(t.Context(), noBad(&seen), answers(tt.yes))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if len(seen) != tt.checks {
				t.Errorf("checked %d times, want %d: %q", len(seen), tt.checks, seen)
			}
			if text := content(t, buffer.Path()); text != tt.want {
				t.Errorf("the file holds %q, want %q", text, tt.want)
			}
			if err := errors.Join(buffer.Discard(), buffer.Discard()); err != nil {
				t.Error(err)
			}
			gone(t, buffer.Path())
		})
	}
}

// The reason is on top of the text, once, and is replaced in each round; check does
// not see it.
func TestReasonIsShownAndReplaced(t *testing.T) {
	command := script(t, `cp "$1" "$0.$n"; [ $n = 1 ] && echo 'weight: bad' >"$1"; echo "more: $n" >>"$1"`)
	buffer := open(t, command, before)
	round := 0
	var asked []string
	_, err := buffer.Edit(t.Context(),
		func(text []byte) error {
			if bytes.Contains(text, []byte("#")) {
				t.Errorf("check was shown %q", text)
			}
			round++
			return fmt.Errorf("reason %d\nin two lines", round)
		},
		func(reason error) (bool, error) {
			asked = append(asked, reason.Error())
			return round < 3, nil
		})
	kept(t, err, buffer, "weight: bad\nmore: 1\nmore: 2\nmore: 3\n")
	if n := len(asked); n != 3 {
		t.Errorf("asked %d times, want 3: %q", n, asked)
	}
	const shown = "# --- confctl: this text was not accepted ---\n" +
		"#   reason 2\n#   in two lines\n" +
		"# --- confctl: correct it below; these lines are taken out again ---\n" +
		"weight: bad\nmore: 1\nmore: 2\n"
	if got := content(t, command+".3"); got != shown {
		t.Errorf("the third round showed\n%s\nwant\n%s", got, shown)
	}
}

// A text that is unchanged after a refusal is not opened again without asking.
func TestUnchangedAfterRefusalIsAskedAbout(t *testing.T) {
	command := script(t, `[ $n = 1 ] && echo bad >"$1"; :`)
	buffer := open(t, command, before)
	var seen []string
	_, err := buffer.Edit(t.Context(), noBad(&seen), answers(1))
	kept(t, err, buffer, "bad\n")
	if n := runs(t, command); n != "2" {
		t.Errorf("opened %s times, want 2", n)
	}
	if _, ok := errors.AsType[*editor.RejectedError](err); !ok || !strings.Contains(err.Error(), "is no integer") {
		t.Errorf("error is %v, want a *RejectedError with the reason", err)
	}
}

func TestAgainFails(t *testing.T) {
	buffer := open(t, script(t, `echo bad >"$1"`), before)
	noAnswer := errors.New("no terminal")
	var seen []string
	_, err := buffer.Edit(t.Context(), noBad(&seen), func(error) (bool, error) { return true, noAnswer })
	kept(t, err, buffer, "bad\n")
	if !errors.Is(err, noAnswer) {
		t.Errorf("error is %v, want %v in it", err, noAnswer)
	}
}

// An accepted text can be opened again, if it turns out later that it does not fit.
func TestEditTwice(t *testing.T) {
	buffer := open(t, script(t, `echo "run: $n" >>"$1"`), "")
	var seen []string
	for _, want := range []string{"run: 1\n", "run: 1\nrun: 2\n"} {
		if got, err := buffer.Edit(t.Context(), noBad(&seen), never(t)); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestCommandFails(t *testing.T) {
	tests := map[string]struct {
		script string
		says   string
		kept   string // empty: nothing is kept
	}{
		"at once":          {`exit 3`, "exit status 3", ""},
		"after a change":   {`echo typed >"$1"; exit 1`, "exit status 1", "typed\n"},
		"killed":           {`kill -9 $$`, "killed", ""},
		"killed in a save": {`printf 'half a li' >"$1"; kill -9 $$`, "killed", "half a li"},
		"second round":     {`[ $n = 1 ] && echo bad >"$1" || exit 5`, "exit status 5", "bad\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			command := script(t, tt.script)
			buffer := open(t, command, before)
			var seen []string
			_, err := buffer.Edit(t.Context(), noBad(&seen), answers(1))
			failed, ok := errors.AsType[*editor.CommandError](err)
			if !ok || failed.Command != command || !strings.Contains(err.Error(), command) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error is %v, want a *CommandError with the command and %q", err, tt.says)
			}
			if tt.kept != "" {
				kept(t, err, buffer, tt.kept)
				return
			}
			if _, ok := errors.AsType[*editor.KeptError](err); ok {
				t.Errorf("error is %v, but nothing was typed", err)
			}
			gone(t, buffer.Path())
		})
	}
}

func TestNoSuchCommand(t *testing.T) {
	_, err := open(t, "/nonexistent/ed -x", before).Edit(t.Context(), nil, never(t))
	const want = `editor "/nonexistent/ed -x": exit status 127 (no such command)`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestNoCommand(t *testing.T) {
	if _, err := editor.New(" \t", nil, nil, nil).Open("x", nil); err == nil {
		t.Error("a buffer was opened without a command")
	}
}

// The shell splits the command, and the file is one argument.
func TestCommandIsSplitByTheShell(t *testing.T) {
	ed := script(t, `shift $(($# - 1)); echo "$WORDS" >>"$1"`)
	spaced := filepath.Join(t.TempDir(), "my editor")
	if err := os.Symlink(ed, spaced); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"words":              "WORDS=one " + ed + " -a -b",
		"quotes":             "WORDS='one' '" + spaced + "' -c 'set a b'",
		"backslashes":        "WORDS=one " + strings.ReplaceAll(spaced, " ", `\ `),
		"variables":          "WORDS=one; ED='" + spaced + `'; export WORDS; "$ED"`,
		"the file in quotes": `WORDS=one sh -c '"$0" "$@"' '` + spaced + "'",
	}
	for name, command := range tests {
		t.Run(name, func(t *testing.T) {
			tmp := filepath.Join(t.TempDir(), "with blanks; and $more")
			if err := os.Mkdir(tmp, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("WORDS", "none")
			t.Setenv("XDG_RUNTIME_DIR", tmp)
			buffer, err := editor.New(command, nil, nil, nil).Open("x", nil)
			if err != nil {
				t.Fatal(err)
			}
			var seen []string
			if got, err := buffer.Edit(t.Context(), noBad(&seen), never(t)); err != nil || string(got) != "one\n" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestStreamsAreHandedThrough(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out, errs bytes.Buffer
	command := script(t, `read line; echo "$line" >"$1"; echo to-out; echo to-err >&2`)
	buffer, err := editor.New(command, strings.NewReader("a: 1\n"), &out, &errs).Open("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	got, err := buffer.Edit(t.Context(), noBad(&seen), never(t))
	if err != nil || string(got) != "a: 1\n" || out.String() != "to-out\n" || errs.String() != "to-err\n" {
		t.Errorf("got %q, %v; out %q, err %q", got, err, &out, &errs)
	}
}

func TestFileIsPrivate(t *testing.T) {
	buffer := open(t, ":", before)
	for path, want := range map[string]os.FileMode{
		buffer.Path():               0o600,
		filepath.Dir(buffer.Path()): os.ModeDir | 0o700,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if base := filepath.Base(buffer.Path()); base != "node-north-cp1001.yaml" {
		t.Errorf("the file is called %s", base)
	}
}

func TestWhereFilesAre(t *testing.T) {
	runtime, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for dir, want := range map[string]string{
		runtime: runtime, "": tmp, "/nonexistent": tmp, "relative": tmp,
	} {
		t.Setenv("XDG_RUNTIME_DIR", dir)
		buffer, err := editor.New(":", nil, nil, nil).Open("x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Dir(filepath.Dir(buffer.Path())); got != want {
			t.Errorf("with XDG_RUNTIME_DIR=%s the file is in %s, want %s", dir, got, want)
		}
	}
}

func TestDiscardTakesWhatTheEditorLeft(t *testing.T) {
	buffer := open(t, script(t, `echo old >"$1~"; echo new >"$1"`), before)
	var seen []string
	if _, err := buffer.Edit(t.Context(), noBad(&seen), never(t)); err != nil {
		t.Fatal(err)
	}
	if err := buffer.Discard(); err != nil {
		t.Error(err)
	}
	gone(t, buffer.Path())
}

func TestFileRemoved(t *testing.T) {
	buffer := open(t, script(t, `rm "$1"`), before)
	_, err := buffer.Edit(t.Context(), nil, never(t))
	if !errors.Is(err, editor.ErrRemoved) || !strings.Contains(err.Error(), buffer.Path()) {
		t.Errorf("error is %v, want ErrRemoved and the path", err)
	}
	gone(t, buffer.Path())

	buffer = open(t, script(t, `mv "$1" "$1~"; exit 1`), before)
	_, err = buffer.Edit(t.Context(), nil, never(t))
	if !errors.Is(err, editor.ErrRemoved) || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("error is %v, want ErrRemoved and the exit status", err)
	}
	if got := content(t, buffer.Path()+"~"); got != before {
		t.Errorf("the editor's backup holds %q", got)
	}
}

func TestUnreadableFile(t *testing.T) {
	tests := map[string]struct {
		script string
		is     error
	}{
		"too large":   {fmt.Sprintf(`head -c %d /dev/zero >"$1"`, editor.MaxSize+1), editor.ErrTooLarge},
		"a pipe":      {`rm "$1"; mkfifo "$1"`, nil},
		"a directory": {`rm "$1"; mkdir "$1"`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			buffer := open(t, script(t, tt.script), before)
			_, err := buffer.Edit(t.Context(), nil, never(t))
			if k, ok := errors.AsType[*editor.KeptError](err); !ok || k.Path != buffer.Path() {
				t.Errorf("error is %v, want a *KeptError", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error is %v, want %v", err, tt.is)
			}
		})
	}
	if _, err := editor.New(":", nil, nil, nil).Open("x", make([]byte, editor.MaxSize+1)); !errors.Is(err, editor.ErrTooLarge) {
		t.Errorf("error is %v, want ErrTooLarge", err)
	}
}

// An interrupted edit keeps the file, and does not wait for an editor that does not
// end.
func TestInterrupted(t *testing.T) {
	for name, body := range map[string]string{
		"ends when asked": `trap 'echo saved >>"$1"; exit 0' TERM; echo typed >"$1"; : >"$0.ready"; while :; do sleep 0.01; done`,
		"will not end":    `trap '' TERM INT; echo typed >"$1"; : >"$0.ready"; while :; do sleep 0.01; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := script(t, body)
			buffer, err := editor.New(command, nil, nil, nil).Open("interrupted", []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = buffer.Discard() })
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for _, err := os.Stat(command + ".ready"); err != nil; _, err = os.Stat(command + ".ready") {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			_, err = buffer.Edit(ctx, nil, nil)
			want := "typed\n"
			if name == "ends when asked" {
				want += "saved\n"
			}
			kept(t, err, buffer, want)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want context.Canceled", err)
			}
		})
	}
}
