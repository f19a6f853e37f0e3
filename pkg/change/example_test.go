package change_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// A program can change objects as the command line does: it makes a plan, and
// the Applier judges, commits and announces the change.
func Example() {
	if err := depoolTwo(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 object changed
	// refused by min-pooled: north/web/http 2 -> 1 of 3, floor 2
}

func depoolTwo(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "confctl")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := local.Open(filepath.Join(dir, "state.db"), local.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	var writes []store.Write
	for _, name := range []string{"web1", "web2", "web3"} {
		writes = append(writes, store.Write{Key: "/conftool/v1/pools/north/web/http/" + name, Value: []byte(`{"pooled": "yes", "weight": 10}`)})
	}
	if _, err := s.Commit(ctx, store.Txn{Writes: writes}); err != nil {
		return err
	}

	objects := catalog.New(s, "/conftool", "v1")
	node, err := schema.BuiltIn("pools").Type(schema.Node)
	if err != nil {
		return err
	}
	applier := &change.Applier{
		Catalog: objects,
		Log:     &sal.Log{Store: s, Prefix: objects.Own(""), Self: sal.ThisProcess("deploy1001")},
		Rules:   new(safety.Rules), // the built-in rules
		Report:  func(done change.Done) { fmt.Println(len(done.Objects), "object changed") },
		Warn:    func(err error) { fmt.Println("warning:", err) },
		Now:     time.Now,
		Who:     sal.User{Name: "alice"},
		Where:   sal.Host{Name: "deploy1001"},
		Terms:   change.Terms{Mode: safety.Refuse, Reason: "maintenance"},
	}
	for _, host := range []string{"web1", "web2"} {
		if err := depool(ctx, applier, node, host); err != nil {
			fmt.Println(err)
		}
	}
	return nil
}

func depool(ctx context.Context, a *change.Applier, node *schema.Type, host string) error {
	chosen := selector.Exactly(node.Tags, map[string]string{selector.Name: host})
	assignments, err := object.ParseAssignments(node, "pooled=no")
	if err != nil {
		return err
	}
	_, err = a.Apply(ctx, change.Intent{
		Read: []catalog.Query{{Type: node, Selector: chosen}},
		Plan: func(snapshot object.Snapshot) (object.Plan, error) {
			return object.Set(snapshot.Select(node, chosen), assignments)
		},
		Action:   "set/pooled=no",
		Selector: "name=" + host,
	})
	return err
}
