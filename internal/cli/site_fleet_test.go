package cli

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

// Where the keys of the site are, with the standard settings.
const (
	objectKeys  = "/conftool/v1/"
	nodeKeys    = objectKeys + "pools/"
	journalKeys = "/conftool/.confctl/journal/"
)

// What the nodes of a fleet hold.
const (
	inService    = `{"weight": 10, "pooled": "yes"}`
	outOfService = `{"weight": 10, "pooled": "no"}`
	asCreated    = `{"weight": 0, "pooled": "inactive"}`
)

// fleet is a site in a store of its own.
type fleet struct {
	testing.TB
	options []string // of every command
	source  string   // the files that declare the objects
	data    string   // a copy of these
	store   store.Store
	schema  *schema.Schema
}

// newFleet syncs a site to the store that a configuration names.
func newFleet(t *testing.T, config string) *fleet {
	t.Helper()
	site, dir := sitetest.Write(t), t.TempDir()
	f := &fleet{TB: t, source: site.Data, data: filepath.Join(dir, "data")}
	file := filepath.Join(dir, "config.yaml")
	f.options = []string{"--config", file, "--schema", site.Schema}
	f.check(os.WriteFile(file, []byte(config), 0o600))
	f.check(os.WriteFile(filepath.Join(dir, "confctl.yaml"), []byte(patient), 0o600))
	f.check(os.CopyFS(f.data, os.DirFS(f.source)))
	f.sync(exitDone)
	std, g := term.Streams{Err: t.Output()}, &globals{config: f.options[1], schema: f.options[3]}
	a, err := loadApp(std, g)
	f.check(err)
	f.check(a.Open(messages(std, g)))
	f.store, f.schema = a.Store, a.Schema
	t.Cleanup(func() { f.check(f.store.Close()) })
	return f
}

// localFleet is a fleet whose nodes nobody has taken into service yet.
func localFleet(t *testing.T) *fleet {
	t.Helper()
	return newFleet(t, "driver: local\ndriver_options: {path: "+filepath.Join(t.TempDir(), "state.db")+"}\n")
}

// serve takes all nodes into service, in one command.
func (f *fleet) serve() *fleet {
	f.Helper()
	f.ends(exitDone, "--yes", "select", "name=.*", "set/weight=10:pooled=yes")
	return f
}

// in is the same fleet for a test of its own.
func (f *fleet) in(t *testing.T) *fleet {
	return &fleet{t, f.options, f.source, f.data, f.store, f.schema}
}

func (f *fleet) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// ends calls the program, which has to end with an exit code, and returns what
// it said on stderr. Nobody answers its questions.
func (f *fleet) ends(want int, args ...string) string {
	f.Helper()
	var out, talk bytes.Buffer
	words := slices.Concat([]string{"confctl"}, f.options, args)
	std := term.Streams{In: strings.NewReader(""), Out: &out, Err: &talk}
	if got := run(f.Context(), words, std); got != want {
		f.Fatalf("confctl %q: exit code %d, want %d\n%.500s\n%.4000s", args, got, want, out.String(), talk.String())
	}
	return talk.String()
}

// refused calls the program, which has to refuse for all of some reasons, and
// to leave every object as it is.
func (f *fleet) refused(reasons []string, args ...string) {
	f.Helper()
	before := f.now()
	f.says(f.ends(exitRefused, args...), reasons...)
	f.same(before, f.now())
}

// says checks that a text has each of some words.
func (f *fleet) says(text string, words ...string) {
	f.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			f.Errorf("%q is not in\n%.4000s", w, text)
		}
	}
}

// fleetState is what the store holds at one revision, by key.
type fleetState struct {
	revision         store.Revision
	objects, journal map[string]store.Entry
}

func (f *fleet) now() fleetState {
	f.Helper()
	snapshot, err := f.store.Read(f.Context(), objectKeys, journalKeys)
	f.check(err)
	s := fleetState{snapshot.Revision, map[string]store.Entry{}, map[string]store.Entry{}}
	for _, e := range snapshot.Entries {
		if strings.HasPrefix(e.Key, objectKeys) {
			s.objects[e.Key] = e
		} else {
			s.journal[e.Key] = e
		}
	}
	return s
}

// differing returns the keys that only one of two maps has, or that have
// another value in each, in order.
func differing(a, b map[string]store.Entry) []string {
	var keys []string
	for key, e := range a {
		if other, ok := b[key]; !ok || !bytes.Equal(e.Value, other.Value) {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// same checks that all objects are as they were.
func (f *fleet) same(before, after fleetState) {
	f.Helper()
	if diff := differing(before.objects, after.objects); len(diff) > 0 {
		f.Errorf("%d objects changed, the first is %s", len(diff), diff[0])
	}
}

// hold checks the values of some nodes.
func (f *fleet) hold(nodes []fleetNode, want string) {
	f.Helper()
	keys := make([]string, len(nodes))
	for i, n := range nodes {
		keys[i] = n.key()
	}
	snapshot, err := f.store.Read(f.Context(), keys...)
	f.check(err)
	if len(snapshot.Entries) != len(keys) {
		f.Errorf("%d nodes of %d are there: %q", len(snapshot.Entries), len(keys), keys)
	}
	for _, e := range snapshot.Entries {
		if string(e.Value) != want {
			f.Errorf("%s is %s, want %s", e.Key, e.Value, want)
		}
	}
}

// fleetNode is a service on a host.
type fleetNode struct{ dc, cluster, service, host string }

func (n fleetNode) pool() string { return n.dc + "/" + n.cluster + "/" + n.service }
func (n fleetNode) key() string  { return nodeKeys + n.pool() + "/" + n.host }

// nodes returns all nodes, in key order.
func (f *fleet) nodes() []fleetNode {
	f.Helper()
	snapshot, err := f.store.Read(f.Context(), nodeKeys)
	f.check(err)
	all := make([]fleetNode, len(snapshot.Entries))
	for i, e := range snapshot.Entries {
		part := strings.Split(strings.TrimPrefix(e.Key, nodeKeys), "/")
		all[i] = fleetNode{part[0], part[1], part[2], part[3]}
	}
	return all
}

// grouped puts nodes together, by a word for each.
func grouped(nodes []fleetNode, by func(fleetNode) string) map[string][]fleetNode {
	groups := map[string][]fleetNode{}
	for _, n := range nodes {
		groups[by(n)] = append(groups[by(n)], n)
	}
	return groups
}

func byPool(nodes []fleetNode) map[string][]fleetNode { return grouped(nodes, fleetNode.pool) }

func byHost(nodes []fleetNode) map[string][]fleetNode {
	return grouped(nodes, func(n fleetNode) string { return n.host })
}

// inOrder returns the keys of a map.
func inOrder[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// entries returns those of a type's objects, and the prefix of their keys.
func (f *fleet) entries(typ string) ([]store.Entry, string) {
	f.Helper()
	t, err := f.schema.Type(typ)
	f.check(err)
	prefix := objectKeys + t.Path + "/"
	snapshot, err := f.store.Read(f.Context(), prefix)
	f.check(err)
	if len(snapshot.Entries) == 0 {
		f.Fatalf("no objects of type %s", typ)
	}
	return snapshot.Entries, prefix
}
