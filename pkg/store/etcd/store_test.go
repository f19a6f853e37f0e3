package etcd

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/storetest"
)

// TestMain allows more parallel tests than there are processors, because they mostly
// wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(8/slowness/slowness)); err != nil {
		panic(err)
	}
	m.Run()
}

// TestContract runs the contract on one server, emptied for each test.
func TestContract(t *testing.T) {
	t.Parallel()
	runContract(t, etcdtest.Start(t))
}

func runContract(t *testing.T, server *etcdtest.Server) {
	admin := client(t, server)
	storetest.Run(t, func(t *testing.T) func() store.Store {
		if _, err := admin.Delete(t.Context(), "\x00", clientv3.WithFromKey()); err != nil {
			t.Fatal(err)
		}
		return func() store.Store {
			s, err := Open(Config{Endpoints: server.URLs(), Timeout: time.Minute, Attempt: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

// TestPutBack starts another server at the address of a stopped one, soon enough for
// a watch to resume.
func TestPutBack(t *testing.T) {
	t.Parallel()
	storetest.RunPutBack(t, func(t *testing.T) storetest.Place {
		dir, backup, address := t.TempDir(), filepath.Join(t.TempDir(), "backup"), etcdtest.Address(t)
		server := etcdtest.Start(t, etcdtest.At(t, dir, address))
		at := func(url string) *Store {
			return open(t, Config{Endpoints: []string{url}, Timeout: time.Minute, Attempt: 2 * time.Second})
		}
		return storetest.Place{
			Open: func() store.Store { return at("http://" + address) },
			Keep: func() {
				server.Kill(0)
				if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				server = etcdtest.Start(t, etcdtest.At(t, dir, address))
			},
			PutBack: func(change func(store.Store)) {
				server.Kill(0)
				server = etcdtest.Start(t, etcdtest.At(t, backup, "127.0.0.1:0"))
				change(at(server.URL()))
				server.Kill(0)
				server = etcdtest.Start(t, etcdtest.At(t, backup, address))
			},
		}
	})
}

// open opens a store until the test ends.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Debug == nil {
		cfg.Debug = t.Logf
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client returns the stock client, for requests that a store does not make.
func client(t testing.TB, server *etcdtest.Server) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: server.URLs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func put(key, value string) store.Write { return store.Write{Key: key, Value: []byte(value)} }

// TestOneRequest counts the requests that reach the server.
func TestOneRequest(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	s := open(t, Config{Endpoints: server.URLs(), Timeout: time.Minute, Attempt: time.Minute})
	const read, txn = "/etcdserverpb.KV/Range", "/etcdserverpb.KV/Txn"
	many := make([]string, 1000)
	for i := range many {
		many[i] = "/k/" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	full := fullTxn()
	for _, c := range []struct {
		what string
		do   func() error
		want string
	}{
		{"revision", func() error { _, err := s.Read(t.Context()); return err }, txn},
		{"one prefix", func() error { _, err := s.Read(t.Context(), "/a/"); return err }, read},
		{"one prefix in another", func() error { _, err := s.Read(t.Context(), "/a/", "/a/b/", "/a/c"); return err }, read},
		{"list", func() error { _, err := s.List(t.Context(), "/a/", store.Page{Limit: 5}); return err }, read},
		{"list of one key", func() error { _, err := s.List(t.Context(), "/a", store.Page{Order: store.ByKey}); return err }, read},
		{"two prefixes", func() error { _, err := s.Read(t.Context(), "/a/", "/b/"); return err }, txn},
		{"1,000 keys", func() error { _, err := s.Read(t.Context(), many...); return err }, txn},
		{"commit", func() error {
			_, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/a/b", "1")}})
			return err
		}, txn},
		{"largest commit", func() error { _, err := s.Commit(t.Context(), full); return err }, txn},
		{"its repetition", func() error { _, err := s.Commit(t.Context(), full); return err }, txn},
		{"conflict", func() error {
			_, err := s.Commit(t.Context(), store.Txn{Guards: []store.Guard{{Key: "/a/b"}}})
			if !errors.As(err, new(*store.ConflictError)) {
				return err
			}
			return nil
		}, txn},
	} {
		server.Calls()
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if got := server.Calls(); !maps.Equal(got, map[string]int{c.want: 1}) {
			t.Errorf("%s: the server was sent %v, want one %s", c.what, got, c.want)
		}
	}
}

// fullTxn returns the largest transaction allowed.
func fullTxn() store.Txn {
	txn := store.Txn{Once: "/full/once", Writes: []store.Write{put("/full/once", "record")}}
	for i := range store.MaxWrites - 1 {
		txn.Writes = append(txn.Writes, put("/full/"+name(i), "value"))
	}
	for i := range store.MaxGuards {
		txn.Guards = append(txn.Guards, store.Guard{Key: "/guarded/" + name(i) + "/", Prefix: i%2 == 0})
	}
	for i := range txn.Guards {
		if !txn.Guards[i].Prefix {
			txn.Guards[i].Key += "key"
		}
	}
	return txn
}

func name(i int) string {
	return string([]byte{byte('a' + i/676%26), byte('a' + i/26%26), byte('a' + i%26)}) + string(rune('0'+i/17576))
}

// TestFullCommitIsAtomic makes guards of the largest transaction fail in turn, and
// checks that nothing is written.
func TestFullCommitIsAtomic(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	s := open(t, Config{Endpoints: server.URLs(), Timeout: time.Minute, Attempt: time.Minute})
	for _, i := range []int{0, 1, 60, store.MaxGuards - 2, store.MaxGuards - 1} {
		txn := fullTxn()
		guarded := txn.Guards[i]
		key := guarded.Key
		if guarded.Prefix {
			key += "newer"
		}
		made, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put(key, "x")}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Commit(t.Context(), txn)
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) || len(conflict.Failed) != 1 || conflict.Failed[0].Guard != guarded {
			t.Fatalf("guard %d fails: %v", i, err)
		}
		if found := conflict.Failed[0].Found; !guarded.Prefix && (found == nil || found.Modified != made.Revision) {
			t.Fatalf("guard %d fails: found %v", i, found)
		}
		snap, err := s.Read(t.Context(), "/full/")
		if err != nil {
			t.Fatal(err)
		}
		if len(snap.Entries) != 0 || snap.Revision != made.Revision {
			t.Fatalf("guard %d fails: %d keys were written", i, len(snap.Entries))
		}
		if _, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: key, Delete: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	txn := fullTxn()
	r, err := s.Commit(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Read(t.Context(), "/full/")
	if err != nil || len(snap.Entries) != store.MaxWrites {
		t.Fatalf("%d of %d keys, %v", len(snap.Entries), store.MaxWrites, err)
	}
	if i := slices.IndexFunc(snap.Entries, func(e store.Entry) bool { return e.Modified != r.Revision }); i >= 0 {
		t.Fatalf("key %s is of another transaction", snap.Entries[i].Key)
	}
}

// TestStoreFull fills a store up to its quota.
func TestStoreFull(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Quota(256<<10))
	s := open(t, Config{Endpoints: server.URLs()})
	var err error
	full := string(make([]byte, 64<<10))
	for i := range 1000 { // the server measures its size only occasionally
		once := "/journal/" + name(i)
		if _, err = s.Commit(t.Context(), store.Txn{Once: once, Writes: []store.Write{put(once, ""), put("/k", full)}}); err != nil {
			break
		}
	}
	var unavailable *store.UnavailableError
	if !errors.As(err, &unavailable) {
		t.Fatalf("commit to a full store: %T %v", err, err)
	}
	wantText(t, err, "store unavailable: "+server.URL()+": the store is full, it takes no writes until somebody made room (etcdctl alarm list)")
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Errorf("read of a full store: %v", err)
	}
	// The server may return the same error for a transaction that it has performed.
	if _, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", full)}}); !errors.As(err, new(*store.UnknownError)) {
		t.Errorf("commit to a full store without a once key: %T %v", err, err)
	}
}

// TestServerTakesLess starts a server with lower limits than those of the contract.
func TestServerTakesLess(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		limits etcdtest.Option
		value  string
	}{
		"bytes":         {etcdtest.Limits(1<<10, 128), "twenty bytes of value"},
		"bytes, by far": {etcdtest.Limits(1<<10, 128), strings.Repeat("x", 10_000)},
		"operations":    {etcdtest.Limits(1<<20, 10), "twenty bytes of value"},
	} {
		s := open(t, Config{Endpoints: etcdtest.Start(t, c.limits).URLs()})
		txn := store.Txn{Once: "/0", Writes: []store.Write{put("/0", "")}}
		for i := range 99 {
			txn.Writes = append(txn.Writes, put("/"+name(i), c.value))
		}
		begun := time.Now()
		_, err := s.Commit(t.Context(), txn)
		took(t, begun, atOnce)
		var large *store.TooLargeError
		if !errors.As(err, &large) || large.Writes != 100 {
			t.Errorf("too many %s: %T %v", what, err, err)
		}
		snap, err := s.Read(t.Context(), "/")
		if err != nil || len(snap.Entries) != 0 {
			t.Errorf("too many %s: %d keys written, %v", what, len(snap.Entries), err)
		}
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n\t%v\nnot\n\t%s", err, want)
	}
}

// took fails the test if more time than the limit has passed.
func took(t *testing.T, begun time.Time, limit time.Duration) {
	t.Helper()
	if d := time.Since(begun); d > limit {
		t.Errorf("it took %v, want at most %v", d, limit)
	}
}
