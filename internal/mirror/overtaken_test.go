package mirror

import (
	"fmt"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestOvertaken makes a server report its revision before the events up to it
// arrive. The mirror claims no revision whose entries it does not have, and its
// history is complete in the end, even for a key that was created and deleted
// meanwhile.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	s := openEtcd(t, etcd.Config{Endpoints: server.URLs()})
	m := run(t, Config{Store: openEtcd(t, etcd.Config{Endpoints: server.URLs(), Attempt: 20 * time.Second}), Prefixes: []string{"/in/"}})
	begun := reached(t, m, 0).Revision
	var written []store.Revision
	change := func(writes ...store.Write) { written = append(written, commit(t, s, writes...)) }
	for round := range 2 {
		for i := range 3 {
			change(put("/in/a", fmt.Sprint(i)), put("/in/b", fmt.Sprint(i)), put("/out/a", ""))
		}
		before := reached(t, m, written[len(written)-1]).Revision
		u.Hold()
		if round == 1 {
			change(put("/in/a", "held"), store.Write{Key: "/in/b", Delete: true})
		}
		change(put("/in/transient", ""))
		change(put("/in/transient", "changed"))
		change(store.Write{Key: "/in/transient", Delete: true})
		commit(t, s, put("/out/a", ""))
		for end := time.Now().Add(20 * time.Second); u.Overtook() < 4; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d answers overtook an event", u.Overtook())
			}
		}
		if v := m.View(); round == 1 && v.Revision > before {
			t.Errorf("at revision %d, and nothing came after %d", v.Revision, before)
		}
		u.Release()
		v := until(t, m, "whole history", func(v *View) bool {
			batches, err := v.History(begun)
			return err == nil && len(batches) == len(written)
		})
		batches, _ := v.History(begun)
		for i, b := range batches {
			if b.Revision != written[i] {
				t.Errorf("transaction %d is that of revision %d, not %d", i, b.Revision, written[i])
			}
		}
		holds(t, v, read(t, s, "/in/"))
	}
	if n := m.Status().Reloads; n != 0 {
		t.Errorf("all was read again %d times", n)
	}
}
