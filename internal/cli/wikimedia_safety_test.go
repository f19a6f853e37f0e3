package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/sharedtest"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// The tests here ask whether the safety rules are in the way of daily work on a
// real site, and stop what would take it down. There are thousands of commands,
// so the program is called without a process for each.

// Where the keys of the production data are, with the standard settings.
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

// fleet is the production data in a store of its own.
type fleet struct {
	testing.TB
	options []string // of every command
	source  string   // the files that declare the objects
	data    string   // a copy of these
	store   store.Store
	schema  *schema.Schema
}

// newFleet syncs the production data to the store that a configuration names.
func newFleet(t *testing.T, config string) *fleet {
	t.Helper()
	site, dir := sharedtest.Dir(t, "wikimedia"), t.TempDir()
	f := &fleet{TB: t, source: filepath.Join(site, "conftool-data"), data: filepath.Join(dir, "data")}
	file := filepath.Join(dir, "config.yaml")
	f.options = []string{"--config", file, "--schema", filepath.Join(site, "schema.yaml")}
	f.check(os.WriteFile(file, []byte(config), 0o600))
	f.check(os.WriteFile(filepath.Join(dir, "confctl.yaml"), []byte(patient), 0o600))
	f.check(os.CopyFS(f.data, os.DirFS(f.source)))
	f.sync(exitDone)
	s, err := open(term.Streams{Err: t.Output()}, &globals{config: f.options[1], schema: f.options[3]})
	f.check(err)
	f.store, f.schema = s.store, s.schema
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

// TestEachHostMayGo: every host of the site is taken out with all its services,
// and comes back, while all others serve. No rule refuses that. Of a pool that
// has no other host, there is a warning; nothing else gives one.
//
// In a hurry these are the hosts of two datacenters, and one of each pool of the
// others.
func TestEachHostMayGo(t *testing.T) {
	t.Parallel()
	f := localFleet(t).serve()
	before, nodes := f.now(), f.nodes()
	chosen, size := byHost(nodes), byPool(nodes)
	if inHurry() {
		chosen = someHosts(nodes, "esams", "drmrs")
	}
	begun := time.Now()
	for host, all := range chosen {
		f.goesAndComesBack(host, all, size)
	}
	n := len(chosen)
	t.Logf("%d hosts of %d nodes in %d pools: %v for a depool and a pool", n, len(nodes), len(size), time.Since(begun)/time.Duration(n))
	after := f.now()
	f.same(before, after)
	if got := len(after.journal) - len(before.journal); got != 2*n {
		t.Errorf("%d new records in the journal, want %d", got, 2*n)
	}
}

// inHurry reports whether a test that does the same for each part of a site is to
// leave out parts that are like others.
func inHurry() bool { return !thorough() }

// someHosts returns all hosts of some datacenters, and one of each pool of the
// others.
func someHosts(nodes []fleetNode, whole ...string) map[string][]fleetNode {
	all, some := byHost(nodes), map[string][]fleetNode{}
	for _, members := range byPool(nodes) {
		if !slices.Contains(whole, members[0].dc) {
			members = members[:1]
		}
		for _, n := range members {
			some[n.host] = all[n.host]
		}
	}
	return some
}

// goesAndComesBack takes a host out with all its services, and back.
func (f *fleet) goesAndComesBack(host string, all []fleetNode, size map[string][]fleetNode) {
	f.Helper()
	talk := f.ends(exitDone, "depool", "--hostname", host)
	f.hold(all, outOfService)
	alone := 0
	for _, n := range all {
		if len(size[n.pool()]) == 1 {
			f.says(talk, "confctl: warning: min-pooled: "+n.pool()+" 1 -> 0 of 1, floor 1\n")
			alone++
		}
	}
	if got := strings.Count(talk, "warning"); got != alone {
		f.Errorf("%s goes: %d warnings, want %d:\n%s", host, got, alone, talk)
	}
	if talk := f.ends(exitDone, "pool", "--hostname", host); strings.Contains(talk, "warning") {
		f.Errorf("%s comes back:\n%s", host, talk)
	}
	f.hold(all, inService)
}

// TestPoolsStopAtTheirFloor: of a pool of each size from two on, as many may go
// as the floor leaves, and not one more.
func TestPoolsStopAtTheirFloor(t *testing.T) {
	t.Parallel()
	f := localFleet(t).serve()
	before := f.now()
	depool := func(members []fleetNode) []string {
		names := make([]string, len(members))
		for i, n := range members {
			names[i] = regexp.QuoteMeta(n.host)
		}
		n := members[0]
		return []string{"--yes", "select", fmt.Sprintf("dc=%s,cluster=%s,service=%s,name=%s", n.dc, n.cluster, n.service, strings.Join(names, "|")), "set/pooled=no"}
	}
	for n, members := range oneOfEachSize(f.nodes()) {
		if n == 1 {
			continue
		}
		pool, floor := members[0].pool(), floorOf(n)
		f.refused([]string{"refused by min-pooled, nothing changed", fmt.Sprintf("%d -> %d of %d, floor %d", n, floor-1, n, floor)}, depool(members[floor-1:])...)
		f.ends(exitDone, depool(members[floor:])...)
		f.hold(members[floor:], outOfService)
		f.refused([]string{pool, fmt.Sprintf("%d -> %d of %d, floor %d    out: ", floor, floor-1, n, floor)}, depool(members[floor-1:floor])...)
	}
	f.serve()
	f.same(before, f.now())
}

// oneOfEachSize returns the members of a pool of each size that there is.
func oneOfEachSize(nodes []fleetNode) map[int][]fleetNode {
	bySize, all := map[int][]fleetNode{}, byPool(nodes)
	for _, pool := range inOrder(all) {
		if n := len(all[pool]); bySize[n] == nil {
			bySize[n] = all[pool]
		}
	}
	return bySize
}

// floorOf is how many of the members of a pool have to serve.
func floorOf(members int) int {
	switch {
	case members < 4:
		return members - 1
	case members < 10:
		return members/2 + members%2 + 1
	}
	return members - members/4
}

// TestLastPlaceStays: of the places that a name leads to, all but one may go,
// whichever that is; where there is but one, it goes with a warning. In a hurry,
// of names with as many places, each place is the last of one.
func TestLastPlaceStays(t *testing.T) {
	t.Parallel()
	f := localFleet(t)
	f.ends(exitDone, "--yes", "--object-type", "discovery", "select", "name=.*", "set/pooled=true")
	for _, c := range []struct{ typ, tag, out, in string }{
		{"discovery", "dnsdisc", "false", "true"},
		{"geodns", "geodns", "no", "yes"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			f := f.in(t)
			set := func(name, place, value string) []string {
				return []string{"--object-type", c.typ, "select", c.tag + "=" + name + ",name=" + place, "set/pooled=" + value}
			}
			before := f.now()
			all, tried := f.places(c.typ), map[int]int{} // how many names with as many places
			for _, name := range inOrder(all) {
				places := all[name]
				n := tried[len(places)]
				if inHurry() && n >= len(places) {
					continue
				}
				tried[len(places)]++
				last := places[n%len(places)]
				others := slices.DeleteFunc(slices.Clone(places), func(p string) bool { return p == last })
				f.onlyLastStays(name, last, others, func(place string) []string { return set(name, place, c.out) })
				for _, place := range places {
					f.ends(exitDone, set(name, place, c.in)...)
				}
			}
			f.same(before, f.now())
		})
	}
}

// places returns the names of a type's objects, by their only tag.
func (f *fleet) places(typ string) map[string][]string {
	f.Helper()
	prefix := objectKeys + typ + "/"
	snapshot, err := f.store.Read(f.Context(), prefix)
	f.check(err)
	if len(snapshot.Entries) == 0 {
		f.Fatalf("no objects of type %s", typ)
	}
	all := map[string][]string{}
	for _, e := range snapshot.Entries {
		tag, name, _ := strings.Cut(strings.TrimPrefix(e.Key, prefix), "/")
		all[tag] = append(all[tag], name)
	}
	return all
}

// onlyLastStays takes out all places but the last, and tries that too.
func (f *fleet) onlyLastStays(name, last string, others []string, out func(place string) []string) {
	f.Helper()
	for _, place := range others {
		f.ends(exitDone, out(place)...)
	}
	numbers := fmt.Sprintf("%s 1 -> 0 of 1, floor 1", name)
	if len(others) == 0 {
		f.says(f.ends(exitDone, out(last)...), "warning: min-pooled: ", numbers)
		return
	}
	f.refused([]string{"refused by min-pooled, nothing changed", fmt.Sprintf("%s    1 -> 0 of %d, floor 1", name, len(others)+1)}, out(last)...)
}

// TestDatacenterOut: taking out all of a datacenter is refused, by rules that
// --emergency overrides: then it is one command and one commit.
func TestDatacenterOut(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(*testing.T) string{
		"local": func(t *testing.T) string {
			return "driver: local\ndriver_options: {path: " + filepath.Join(t.TempDir(), "state.db") + "}\n"
		},
		"etcd": func(t *testing.T) string {
			rc := filepath.Join(t.TempDir(), "etcdrc")
			host, port, _ := strings.Cut(strings.TrimPrefix(etcdtest.Start(t).URL(), "http://"), ":")
			if err := os.WriteFile(rc, []byte("host: "+host+"\nport: "+port+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "driver_options: {etcd_config_file: " + rc + "}\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			bot := newBot(t)
			f := newFleet(t, config(t)+bot.config()).serve()
			for range 2 { // of the sync and of taking all into service
				<-bot.messages
			}
			f.datacenterOut(bot, "eqiad", "codfw")
		})
	}
}

func (f *fleet) datacenterOut(bot *ircBot, dc, other string) {
	f.Helper()
	before := f.now()
	leaving := grouped(f.nodes(), func(n fleetNode) string { return n.dc })[dc]
	count := fmt.Sprint(len(leaving))
	out := []string{"select", "dc=" + dc, "set/pooled=no"}
	f.refused([]string{"refused by min-pooled, nothing changed"}, slices.Concat([]string{"--yes"}, out)...)
	f.refused([]string{"refused by min-pooled, mass-change, nothing changed"}, "--yes", "select", "dc="+dc+"|"+other, "set/pooled=no")
	f.says(f.ends(exitUsage, slices.Concat([]string{"--yes", "--emergency"}, out)...), "--expect N")
	f.refused([]string{"1 objects were expected, but " + count + " match"}, slices.Concat([]string{"--yes", "--emergency"}, out, []string{"--expect", "1"})...)
	f.same(before, f.now())

	before = f.now()
	begun := time.Now()
	f.ends(exitDone, slices.Concat([]string{"--yes", "--emergency", "--quiet"}, out, []string{"--expect", count})...)
	f.Logf("%s nodes in %v", count, time.Since(begun))
	f.hold(leaving, outOfService)
	f.oneCommit(before, f.now(), leaving)
	select { // --quiet does not keep it from people
	case m := <-bot.messages:
		f.says(m, "conftool action : set/pooled=no; selector: dc="+dc)
	case <-time.After(5 * time.Second):
		f.Error("nobody was told")
	}

	// It comes back, also a host at a time.
	largest := slices.MaxFunc(slices.Collect(maps.Values(byPool(leaving))), func(a, b []fleetNode) int { return len(a) - len(b) })
	for _, n := range largest[:5] { // the pool is below its floor all the while
		f.ends(exitDone, "pool", "--hostname", n.host)
	}
	f.hold(largest[:5], inService)
	f.ends(exitDone, "--yes", "select", "dc="+dc, "set/pooled=yes")
	f.same(before, f.now())
}

// oneCommit checks that just some nodes changed, in one commit with a record
// that says all, and that nothing else happened but that the bot was told.
func (f *fleet) oneCommit(before, after fleetState, nodes []fleetNode) {
	f.Helper()
	var keys []string
	for _, n := range nodes {
		keys = append(keys, n.key())
	}
	if got := differing(before.objects, after.objects); !slices.Equal(got, keys) {
		f.Errorf("%d objects changed, want the %d", len(got), len(keys))
	}
	revision := before.revision + 1
	if after.revision != revision+1 {
		f.Errorf("revision %d became %d, want one commit and one delivery", before.revision, after.revision)
	}
	for _, key := range keys {
		if got := after.objects[key].Modified; got != revision {
			f.Errorf("%s is of revision %d, want %d", key, got, revision)
		}
	}
	records := differing(before.journal, after.journal)
	if len(records) != 1 {
		f.Fatalf("%d new records, want one", len(records))
	}
	entry := after.journal[records[0]]
	record, err := sal.ParseRecord(entry.Value)
	f.check(err)
	if c := record.Change; entry.Modified != revision || !c.Emergency || !slices.Equal(c.Overrides, []string{"min-pooled"}) || len(c.Objects) != len(nodes) {
		f.Errorf("record of revision %d, emergency %t, overrides %q, %d objects", entry.Modified, c.Emergency, c.Overrides, len(c.Objects))
	}
}

// declare writes the files of just some nodes.
func (f *fleet) declare(nodes []fleetNode) {
	f.Helper()
	f.emptyDirectory(schema.Node)
	sites := map[string]map[string]map[string][]string{} // dc, cluster, host, services
	for _, n := range nodes {
		if sites[n.dc] == nil {
			sites[n.dc] = map[string]map[string][]string{}
		}
		if sites[n.dc][n.cluster] == nil {
			sites[n.dc][n.cluster] = map[string][]string{}
		}
		sites[n.dc][n.cluster][n.host] = append(sites[n.dc][n.cluster][n.host], n.service)
	}
	for dc, clusters := range sites {
		text, err := json.Marshal(map[string]any{dc: clusters}) // which is YAML too
		f.check(err)
		f.check(os.WriteFile(filepath.Join(f.data, schema.Node, dc+".yaml"), text, 0o600))
	}
}

func (f *fleet) emptyDirectory(typ string) {
	f.Helper()
	dir := filepath.Join(f.data, typ)
	f.check(os.RemoveAll(dir))
	f.check(os.Mkdir(dir, 0o750))
}

// sync syncs the files as they are.
func (f *fleet) sync(want int) string {
	f.Helper()
	return f.ends(want, "sync", "--directory", f.data)
}

// removes syncs, which has to remove just some nodes.
func (f *fleet) removes(gone []fleetNode) {
	f.Helper()
	before := f.now()
	talk := f.sync(exitDone)
	var keys []string
	for _, n := range gone {
		keys = append(keys, n.key())
	}
	slices.Sort(keys)
	after := f.now()
	if got := differing(before.objects, after.objects); !slices.Equal(got, keys) {
		f.Errorf("%d objects changed, want the %d removed:\n%s", len(got), len(keys), talk)
	}
	for _, key := range keys {
		if _, ok := after.objects[key]; ok {
			f.Errorf("%s is there still", key)
		}
	}
}

// TestSyncAgain: files that say the same, also in other words, change nothing
// and leave no record.
func TestSyncAgain(t *testing.T) {
	t.Parallel()
	f := localFleet(t).serve()
	before := f.now()
	f.sync(exitDone)
	f.declare(f.nodes())
	f.sync(exitDone)
	if after := f.now(); after.revision != before.revision {
		t.Errorf("revision %d became %d", before.revision, after.revision)
	}
}

// TestSyncRemovesWhatIsOut: a host may go from the files once it serves no
// more, out of a pool of any size.
func TestSyncRemovesWhatIsOut(t *testing.T) {
	t.Parallel()
	f := localFleet(t).serve()
	gone := map[string]bool{}
	for size, members := range oneOfEachSize(f.nodes()) {
		host := members[size/2].host
		if size > 9 || gone[host] {
			continue
		}
		all := byHost(f.nodes())[host]
		gone[host] = true
		f.declare(slices.DeleteFunc(f.nodes(), func(n fleetNode) bool { return n.host == host }))
		before := f.now()
		f.says(f.sync(exitRefused), "remove-pooled", all[0].pool(), host)
		f.same(before, f.now())
		state := "set/pooled=inactive:weight=0"
		if size%2 == 0 {
			state = "set/pooled=no"
		}
		f.ends(exitDone, "--host", "select", "name="+regexp.QuoteMeta(host), state)
		f.removes(all)
	}
}

// TestSyncRemovesSome: up to a fifth of what nobody has taken into service may
// go from the files at once.
func TestSyncRemovesSome(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{15, 20} {
		f := localFleet(t)
		all := spread(f.nodes())
		n := len(all) * percent / 100
		f.declare(all[n:])
		f.removes(all[:n])
	}
	f := localFleet(t)
	all := spread(f.nodes())
	n := len(all)/5 + 1
	f.declare(all[n:])
	before := f.now()
	f.says(f.sync(exitRefused), "refused by mass-removal", fmt.Sprintf("%d of %d would be removed", n, len(all)))
	f.same(before, f.now())
}

// spread returns nodes in an order in which the first ones are of all over the
// place.
func spread(nodes []fleetNode) []fleetNode {
	const step = 7
	var all []fleetNode
	for i := range step {
		for j := i; j < len(nodes); j += step {
			all = append(all, nodes[j])
		}
	}
	return all
}

// TestSyncOfOtherTypes: so it is with objects that do not serve.
func TestSyncOfOtherTypes(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"discovery", "dbconfig-instance", "dbconfig-section"} {
		t.Run(typ, func(t *testing.T) {
			f := localFleet(t)
			all := f.places(typ)
			n, total := 0, 0
			for _, names := range all {
				total += len(names)
			}
			for _, tag := range inOrder(all) { // of each tag the first, again and again
				for len(all[tag]) > 1 && n < total*15/100 && n < total {
					all[tag] = all[tag][1:]
					n++
				}
			}
			f.declareNames(typ, all)
			before := f.now()
			f.sync(exitDone)
			after := f.now()
			if diff := differing(before.objects, after.objects); len(diff) != n || len(after.objects) != len(before.objects)-n {
				t.Errorf("%d objects changed, want %d of %d removed", len(diff), n, total)
			}
		})
	}
}

// declareNames writes one file with the objects of a type with one tag.
func (f *fleet) declareNames(typ string, names map[string][]string) {
	f.Helper()
	f.emptyDirectory(typ)
	text, err := json.Marshal(names)
	f.check(err)
	f.check(os.WriteFile(filepath.Join(f.data, typ, "all.yaml"), text, 0o600))
}

// TestSyncOfFewFiles: when most hosts are missing in the files, none is
// removed; what is new is created all the same.
func TestSyncOfFewFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serving bool
		rules   string
	}{
		"never in service": {false, "mass-removal"},
		"in service":       {true, "min-pooled, mass-change, mass-removal, remove-pooled"},
	} {
		t.Run(name, func(t *testing.T) {
			f := localFleet(t)
			if c.serving {
				f.serve()
			}
			all := spread(f.nodes())
			gone := len(all) * 4 / 5
			fresh := []fleetNode{{"eqiad", "cache_text", "cdn", "new1.example"}, {"codfw", "new", "web", "new1.example"}, {"new", "new", "web", "new2.example"}}
			f.declare(slices.Concat(all[gone:], fresh))
			before := f.now()
			talk := f.sync(exitRefused)
			f.says(talk, "refused by "+c.rules, fmt.Sprintf("%d of %d would be removed, 80 %%", gone, len(all)), "Creating node new/new/web/new2.example")
			after := f.now()
			if len(differing(before.objects, after.objects)) != len(fresh) {
				t.Errorf("%d objects became %d, want %d more", len(before.objects), len(after.objects), len(fresh))
			}
			f.hold(fresh, asCreated)
			f.says(f.sync(exitRefused), fmt.Sprintf("%d of %d would be removed", gone, len(all)+len(fresh)))
			f.same(after, f.now())
		})
	}
}

// TestSyncOfNothing: what is not there at all is taken for a mistake, with the
// number of objects that it is about, and the other types go on. In a hurry, each
// type is only one of empty and gone, and only one file is empty.
func TestSyncOfNothing(t *testing.T) {
	t.Parallel()
	f := localFleet(t).serve()
	for i, typ := range []string{"node", "discovery", "geodns", "mwconfig", "dbconfig-instance", "dbconfig-section"} {
		dir := filepath.Join(f.data, typ)
		words := []string{"type " + typ + ": " + dir, fmt.Sprintf("the store has %d objects; nothing is removed", f.count(typ))}
		for j, what := range []string{"empty", "gone"} {
			if inHurry() && i%2 != j {
				continue
			}
			t.Run(typ+" "+what, func(t *testing.T) {
				f := f.in(t)
				f.emptyDirectory(typ)
				if what == "gone" {
					f.check(os.Remove(dir))
				}
				f.removesNothing(words...)
			})
		}
	}
	files, err := os.ReadDir(filepath.Join(f.data, schema.Node))
	f.check(err)
	if inHurry() {
		files = files[:1]
	}
	for _, file := range files {
		t.Run(file.Name()+" empty", func(t *testing.T) {
			f := f.in(t)
			name := filepath.Join(f.data, schema.Node, file.Name())
			f.check(os.Truncate(name, 0))
			n := len(grouped(f.nodes(), func(n fleetNode) string { return n.dc })[strings.TrimSuffix(file.Name(), ".yaml")])
			f.removesNothing(name+": declares nothing", fmt.Sprintf("type node: nothing is removed; the other files do not declare %d of the 1590 that the store has", n))
		})
	}
}

// count returns how many objects of a type there are.
func (f *fleet) count(typ string) int {
	f.Helper()
	t, err := f.schema.Type(typ)
	f.check(err)
	snapshot, err := f.store.Read(f.Context(), objectKeys+t.Path+"/")
	f.check(err)
	if len(snapshot.Entries) == 0 {
		f.Fatalf("no objects of type %s", typ)
	}
	return len(snapshot.Entries)
}

// removesNothing syncs files of which some are missing. It has to say so, and
// to remove nothing, while an object of a type whose files are all there is
// created. Then all is as it was.
func (f *fleet) removesNothing(words ...string) {
	f.Helper()
	before := f.now()
	whole := "discovery"
	if _, err := os.Stat(filepath.Join(f.data, whole, "services.yaml")); err != nil {
		whole = "dbconfig-section"
	}
	f.check(os.WriteFile(filepath.Join(f.data, whole, "new.yaml"), []byte("new: [one]\n"), 0o600))
	talk := f.sync(exitInvalid)
	f.says(talk, words...)
	if diff := differing(before.objects, f.now().objects); !slices.Equal(diff, []string{objectKeys + whole + "/new/one"}) {
		f.Errorf("%d objects changed, want one created:\n%s", len(diff), talk)
	}
	f.check(os.RemoveAll(f.data))
	f.check(os.CopyFS(f.data, os.DirFS(f.source)))
	f.sync(exitDone)
	f.same(before, f.now())
}
