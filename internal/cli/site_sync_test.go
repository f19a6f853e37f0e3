package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/schema"
)

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
	for _, typ := range []string{"discovery", "db-instance", "db-section"} {
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
			fresh := []fleetNode{{"north", "text", "cdn", "new1.example"}, {"south", "new", "web", "new1.example"}, {"new", "new", "web", "new2.example"}}
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
	for i, typ := range []string{"node", "discovery", "geodns", "setting", "db-instance", "db-section"} {
		dir := filepath.Join(f.data, typ)
		entries, _ := f.entries(typ)
		words := []string{"type " + typ + ": " + dir, fmt.Sprintf("the store has %d objects; nothing is removed", len(entries))}
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
			f.removesNothing(name+": declares nothing", fmt.Sprintf("type node: nothing is removed; the other files do not declare %d of the %d that the store has", n, sitetest.Nodes))
		})
	}
}

// removesNothing syncs files of which some are missing. It has to say so, and
// to remove nothing, while an object of a type whose files are all there is
// created. Then all is as it was.
func (f *fleet) removesNothing(words ...string) {
	f.Helper()
	before := f.now()
	whole := "discovery"
	if _, err := os.Stat(filepath.Join(f.data, whole, "services.yaml")); err != nil {
		whole = "db-section"
	}
	f.check(os.WriteFile(filepath.Join(f.data, whole, "new.yaml"), []byte("new: [one]\n"), 0o600))
	talk := f.sync(exitInvalid)
	f.says(talk, words...)
	_, prefix := f.entries(whole)
	if diff := differing(before.objects, f.now().objects); !slices.Equal(diff, []string{prefix + "new/one"}) {
		f.Errorf("%d objects changed, want one created:\n%s", len(diff), talk)
	}
	f.check(os.RemoveAll(f.data))
	f.check(os.CopyFS(f.data, os.DirFS(f.source)))
	f.sync(exitDone)
	f.same(before, f.now())
}
