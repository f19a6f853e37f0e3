package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// TestImportConflict: what somebody else does while the question is open is not
// overwritten by what a file says.
func TestImportConflict(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts int
		other []string // what is done meanwhile
		want  []string
	}{
		{"changed", 3, []string{"select", "name=mine0001.example", "set/weight=7"}, []string{"theirs: mine/web/http/mine0001.example: weight changed 0 => 7", "yours:  mine/web/http/mine0001.example: weight changed 0 => 3"}},
		{"changed, of many", 150, []string{"select", "name=mine0001.example", "set/weight=7"}, []string{"theirs: mine/web/http/mine0001.example: weight changed 0 => 7", "yours:  mine/web/http/mine0001.example: weight changed 0 => 3"}},
		{"deleted", 3, []string{"select", "name=mine0001.example", "delete", "--emergency", "--expect", "1"}, []string{"theirs: mine/web/http/mine0001.example: deleted"}},
		{"deleted, of many", 150, []string{"select", "name=mine0001.example", "delete", "--emergency", "--expect", "1"}, []string{"theirs: mine/web/http/mine0001.example: deleted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, localConfig)
			s.file("mine/node/n.yaml", nodes("mine", c.hosts))
			s.ok("--quiet", "sync", "--directory", "mine")
			s.file("f.yaml", strings.ReplaceAll(s.ok("export", "node"), "weight: 0", "weight: 3"))
			p := asking(t, s.command("import", "f.yaml", "--quiet"))
			s.ok(append([]string{"--quiet", "--yes"}, c.other...)...)
			stderr, code := p.answer(t, "y")
			for _, want := range append(c.want, "somebody else made a change meanwhile, nothing was written", "run it again") {
				if !strings.Contains(stderr, want) {
					t.Errorf("not said: %s in\n%s", want, stderr)
				}
			}
			if got := s.ok("select", "name=mine0000.example", "get"); code != exitConflict || !strings.Contains(got, `"weight": 0`) {
				t.Errorf("exit code %d, %s", code, got)
			}
		})
	}
}

// question is a run of the program that has asked and waits for the answer.
type question struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err *bytes.Buffer
}

func asking(t *testing.T, cmd *exec.Cmd) *question {
	t.Helper()
	q := &question{cmd: cmd, err: &bytes.Buffer{}}
	cmd.Stderr = q.err
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	q.in, q.out = in, bufio.NewReader(out)
	if said, err := q.out.ReadString('>'); err != nil {
		t.Fatalf("no question: %v, %s", err, said)
	}
	return q
}

// answer answers, and returns what it comes to.
func (q *question) answer(t *testing.T, text string) (stderr string, code int) {
	t.Helper()
	_, err := io.WriteString(q.in, text+"\n")
	if err := errors.Join(err, q.in.Close()); err != nil { // a second question has no answer
		t.Fatal(err)
	}
	if _, err := io.ReadAll(q.out); err != nil {
		t.Fatal(err)
	}
	if err := q.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return q.err.String(), q.cmd.ProcessState.ExitCode()
}

// TestChangedSince: what a plan made anew would overwrite.
func TestChangedSince(t *testing.T) {
	typ := schema.BuiltIn("pools").Types()[0]
	at := func(name string, revision store.Revision) *object.Object {
		o := object.New(typ, []string{"a", "b", "c"}, name)
		o.Revision = revision
		return &o
	}
	first := object.Snapshot{Objects: []object.Object{*at("same", 1), *at("changed", 1), *at("deleted", 1)}}
	for _, c := range []struct {
		name   string
		change object.Change
		want   bool
	}{
		{"same", object.Change{Before: at("same", 1), After: at("same", 0)}, false},
		{"absent and so still", object.Change{After: at("new", 0)}, false},
		{"changed", object.Change{Before: at("changed", 2), After: at("changed", 0)}, true},
		{"changed, and to be removed", object.Change{Before: at("changed", 2)}, true},
		{"deleted", object.Change{After: at("deleted", 0)}, true},
		{"created", object.Change{Before: at("new", 2), After: at("new", 0)}, true},
		{"created, and to be removed", object.Change{Before: at("new", 2)}, true},
	} {
		err := changedSince(first, object.Plan{Changes: []object.Change{c.change}})
		var conflict *change.ConflictError
		if errors.As(err, &conflict) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want && (conflictText(conflict) == "" || conflict.Error() == "") { // there is an object to name
			t.Errorf("%s: %v", c.name, conflict)
		}
	}
}

// TestImportConflictInALaterPart: what is done stays done, and both sides are
// shown.
func TestImportConflictInALaterPart(t *testing.T) {
	before := object.New(schema.BuiltIn("pools").Types()[0], []string{"a", "b", "c"}, "x")
	err := &change.PartlyDoneError{
		Done: change.Done{ID: "20260101T000000.000000Z-00000000", Objects: make([]sal.Object, 3)},
		Err:  &change.ConflictError{Objects: []change.Conflict{{Mine: object.Change{Before: &before, After: &before}}}},
	}
	var said bytes.Buffer
	std := term.Streams{Err: &said}
	(&importer{Streams: std}).sayConflict(err)
	code := report(std, err)
	for _, want := range []string{
		"confctl: theirs: a/b/c/x: deleted\n", "only partly done: 3 objects changed as 20260101T000000.000000Z-00000000, then: somebody else changed node a/b/c/x meanwhile",
		"what is done stays done; run it again for the rest",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("not said: %s in\n%s", want, said.String())
		}
	}
	if code != exitFailed || strings.Contains(said.String(), "nothing was written") {
		t.Errorf("exit code %d, %s", code, said.String())
	}
}

// TestExportOfANameThatIsNoText: what cannot be in a file does not keep the rest
// out of it.
func TestExportOfANameThatIsNoText(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("--quiet", "sync", "--directory", "data")
	st, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: "/conftool/v1/ipblocks/\xff", Value: []byte("{}")}, {Key: "/conftool/v1/features/\xfe/x", Value: []byte("{}")}}})
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"yaml", "jsonl"} {
		stdout, stderr, code := s.run("export", "--format", format)
		if code != exitInvalid || !strings.Contains(stdout, "14, ") || strings.Count(stderr, "is left out: the name is not valid UTF-8\n") != 2 {
			t.Errorf("exit code %d, %s%s", code, stdout, stderr)
		}
	}
}
