package feed_test

import (
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestOvertaken makes a server repeatedly report its revision before the events up
// to it arrive: every change is yielded, with who made it.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	var u etcdtest.Unordered
	server := etcdtest.Start(t, u.Option())
	store, err := etcd.Open(etcd.Config{Endpoints: server.URLs(), Attempt: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, store)
	s.create("north", "a")
	next := s.items(0)
	wants(t, next, "north/a  -> 0 by nobody")
	s.past("north/a", 1)
	wants(t, next, `north/a {"weight": 0} -> 1 by nobody`)
	u.Hold()
	created := s.create("north", "b")
	set := s.set("north", 5)
	removed := s.remove("north", "b")
	released := make(chan struct{})
	go func() {
		defer close(released)
		for end := time.Now().Add(15 * time.Second); u.Overtook() < 3 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		u.Release()
	}()
	wants(t, next,
		`north/b  -> 0 by alice `+created,
		`north/a {"weight": 1} -> 5, north/b {"weight": 0} -> 5 by alice `+set,
		`north/b {"weight": 5} -> - by alice `+removed,
	)
	<-released
}
