package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// The tests here ask whether the safety rules are in the way of daily work on a
// site of production's size, and stop what would take it down. There are thousands of commands,
// so the program is called without a process for each.

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
		chosen = someHosts(nodes, "cape", "delta")
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
		{"geodns", "address", "no", "yes"},
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
	entries, prefix := f.entries(typ)
	all := map[string][]string{}
	for _, e := range entries {
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
			f.datacenterOut(bot, "north", "south")
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
