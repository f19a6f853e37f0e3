package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/value"
)

// commandMemory is what a command may have: less than any host gives to one.
const commandMemory = 512 << 20

// frugal is a site whose commands run with a limit of memory.
type frugal struct{ *site }

// runs runs a command, says how long it took and how much memory, and fails if it
// ends otherwise than it should.
func (l *frugal) runs(name string, args []string, codes ...int) {
	l.Helper()
	m, err := newMemoryLimit(l, commandMemory)
	if err != nil {
		l.Skip(err)
	}
	ctx, cancel := context.WithTimeout(l.Context(), 5*time.Minute) // it hangs
	defer cancel()
	program := l.command(args...)
	m.confine(program)
	cmd := exec.CommandContext(ctx, program.Path, program.Args[1:]...)
	cmd.Dir, cmd.Env = program.Dir, program.Env
	var said bytes.Buffer
	cmd.Stderr = &said // standard output is large
	begun := time.Now()
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		l.Fatal(err)
	}
	took, ended := time.Since(begun), cmd.ProcessState
	l.Logf("%-36s %5.2f s, of a processor %5.2f s, peak %4.0f of %d MiB", name,
		took.Seconds(), (ended.UserTime() + ended.SystemTime()).Seconds(), m.held(), m.limit>>20)
	if got := ended.ExitCode(); !slices.Contains(codes, got) {
		l.Errorf("%s: exit code %d, not %d: %.1000s", name, got, codes, said.String())
	}
}

// hostileObjects are values that anybody may store who may write objects. Some are
// just small enough to be read.
func hostileObjects() []string {
	many := strings.Repeat
	var keys strings.Builder
	for i := range 35_000 {
		fmt.Fprintf(&keys, `"k%d":0,`, i)
	}
	return []string{
		many(`{"a":0,"a":`, 9_900) + "1" + many("}", 9_900),
		many(`{"a":0,"a":`, value.MaxDepth) + `"` + many("x", 500_000) + `"` + many("}", value.MaxDepth),
		"{" + keys.String() + `"k7":1}`,
		"{" + many(`"k":0,`, 200_000) + `"k":1}`,
		`{"x":[` + many("0,", 170_000) + "0]}",
		`{"x":"` + many("x", 1_100_000) + `"}`,
	}
}

// TestCommandsUnderMemoryLimit has commands read a store where 100 objects are as
// slow and large to read as can be, and lint check trees that are made to hold it
// up. They end as they should, with 512 MiB.
func TestCommandsUnderMemoryLimit(t *testing.T) {
	if os.Getenv(faultsVariable) == "" {
		t.Skipf("takes minutes, and most of a processor: make soak, or %s=1", faultsVariable)
	}
	server := etcdtest.Start(t)
	l := &frugal{etcdSite(t, server.URL())}
	l.file("confctl.yaml", patient)
	l.ok("--quiet", "sync", "--directory", "data")
	st, hostile := storeAt(t, server.URL()), hostileObjects()
	for i := range 100 {
		key := fmt.Sprintf("/conftool/v1/pools/north/web/http/hostile%03d", i)
		if _, err := st.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: key, Value: []byte(hostile[i%len(hostile)])}}}); err != nil {
			t.Fatal(err)
		}
	}
	l.ok("--yes", "select", "dc=north,name=web.*", "set/weight=10:pooled=yes")
	// It gives the store a second for each request, which a busy machine may not have.
	l.runs("depool --gone", []string{"depool", "--hostname", "web1.example", "--gone"}, exitDone, exitUnavailable)
	l.runs("depool", []string{"depool", "--hostname", "web1.example"}, exitDone)
	l.runs("get of all", []string{"select", "name=.*", "get"}, exitInvalid)
	l.runs("get of one", []string{"select", "name=web2.example", "get"}, exitDone)
	l.runs("pools", []string{"pools"}, exitInvalid)
	for _, c := range hostileTrees() {
		l := &frugal{newSite(t, localConfig)}
		if err := c.spoil(l.site); err != nil {
			t.Fatal(err)
		}
		l.runs("lint: "+c.name, []string{"lint", "--schema", "schema.yaml", "--directory", "data"}, c.code)
	}
}

// hostileTree is a tree under review that is made to hold lint up.
type hostileTree struct {
	name  string
	code  int
	spoil func(*site) error
}

func hostileTrees() []hostileTree {
	many := strings.Repeat
	linked := func(name string) func(*site) error {
		return func(s *site) error {
			path := s.dir + "/" + name
			return errors.Join(os.RemoveAll(path), os.Symlink("/dev/zero", path))
		}
	}
	holds := func(name string, text func() string) func(*site) error {
		return func(s *site) error {
			s.file(name, text())
			return nil
		}
	}
	jsonSchema := func(text func() string) func(*site) error { return holds("json-schema/read-only.schema", text) }
	counted := func(n int, format string) string {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, format, i, i+1)
		}
		return all.String()
	}
	return []hostileTree{
		{"a pipe as data", exitInvalid, func(s *site) error { return syscall.Mkfifo(s.dir+"/data/node/x.yaml", 0o600) }},
		{"a device as data", exitInvalid, linked("data/node/x.yaml")},
		{"a device as the schema", exitInvalid, linked("schema.yaml")},
		{"a device as a JSON schema", exitInvalid, linked("json-schema/read-only.schema")},
		{"14 MB of data", exitInvalid, holds("data/node/x.yaml", func() string { return many("a: [b]\n", 2_000_000) })},
		{"1 MB of data", 0, holds("data/node/x.yaml", func() string { return "north:\n  web:\n" + counted(25_000, "    host%d.example%d: [http]\n") })},
		{"data nested 100,000 deep", exitInvalid, holds("data/node/x.yaml", func() string { return many("[", 100_000) + many("]", 100_000) })},
		{"aliases that double", exitInvalid, holds("data/node/x.yaml", func() string {
			return "a0: &a0 {x: [y]}\n" + counted(40, "b%[1]d: &a%[2]d {p: *a%[1]d, q: *a%[1]d}\n")
		})},
		{"allOf that doubles 30 times", exitInvalid, jsonSchema(func() string {
			return `{"definitions": {` + counted(30, `"d%[1]d": {"allOf": [{"$ref": "#/definitions/d%[2]d"}, {"$ref": "#/definitions/d%[2]d"}]}, `) + `"d30": {}}, "$ref": "#/definitions/d0"}`
		})},
		{"not, nested 4,000 deep", exitInvalid, jsonSchema(func() string { return many(`{"not": `, 4000) + "{}" + many("}", 4000) })},
		{"200,000 required", exitInvalid, jsonSchema(func() string { return `{"required": [` + many(`"",`, 200_000) + `"x"]}` })},
		{"a pattern that repeats", exitInvalid, jsonSchema(func() string { return `{"pattern": "` + many("(a{100}){10}", 12) + `"}` })},
		{"a JSON schema of 1 MB", exitInvalid, jsonSchema(func() string { return `{"enum": [` + many("0,", 500_000) + "1]}" })},
		{"a schema of 1 MB", exitInvalid, holds("schema.yaml", func() string {
			return counted(11_000, "t%d: {path: p%d, tags: [dc], schema: {v: {default: 1}}, x: 1}\n")
		})},
	}
}
