package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// TestWait checks a wait from the headers to the event.
func TestWait(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a/k", "1"), put("/conftool/v1/b", "1"))
	for _, proto := range []string{"HTTP/1.0", "HTTP/1.1"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /v2/keys/conftool/v1/a?wait=true&recursive=true %s\r\nHost: x\r\n\r\n", proto)
		in := bufio.NewReader(conn)
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		for head := ""; !strings.HasSuffix(head, "\r\n\r\n"); {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: no headers before the event: %q, %v", proto, head, err)
			}
			if head += line; strings.Contains(line, "Index") && !strings.HasPrefix(line, "X-Etcd-Index: ") {
				t.Errorf("spelling: %q", line)
			}
		}
		s.commit(t, put("/conftool/v1/b", "not this"))
		s.commit(t, put("/conftool/v1/a/_hidden", "nor this"))
		s.commit(t, put("/conftool/v1/a/k", proto))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", proto, err)
			}
			if strings.HasPrefix(line, "{") {
				if !strings.Contains(line, fmt.Sprintf(`"value":%q`, proto)) {
					t.Errorf("%s: %s", proto, line)
				}
				break
			}
		}
		_ = conn.Close()
	}
	// A directory itself never changes.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r, err := try(ctx, http.MethodGet, s.URL, "/v2/keys/conftool/v1/a?wait=true&waitIndex=1"); err == nil {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.waiting(t, 0)
}

// TestWaitIsBounded starts more waits than allowed, and then ends all of them.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{MaxWaiters: 3}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys?wait=true&recursive=true"); err != nil || r.status != 200 || r.body != "" {
				t.Errorf("%v: %d %s", err, r.status, r.body)
			}
		})
	}
	for s.handler.Stats().Waiting < 3 {
		time.Sleep(time.Millisecond)
	}
	if r := s.get(t, "/v2/keys?wait=true"); r.status != 503 || r.parsed.ErrorCode != 300 {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.handler.Close()
	wg.Wait()
}

// never is longer than any test takes.
const never = time.Hour

// TestClosed sends requests after Close: none waits any more, not even one whose
// index is forgotten.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{settleTime: never}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	s.handler.Close()
	for _, agent := range []string{"curl", "PyBal/1"} {
		for _, index := range []string{"", "&waitIndex=1", "&waitIndex=81920000"} {
			r := s.get(t, "/v2/keys/conftool/v1/a?wait=true"+index, "User-Agent", agent)
			if r.status != 503 || r.parsed.Cause != "the gateway is shutting down" {
				t.Errorf("%s, wait=true%s: %d %s", agent, index, r.status, r.body)
			}
		}
	}
	if r := s.get(t, "/v2/keys/conftool/v1/a"); r.status != 200 {
		t.Errorf("a read: %d %s", r.status, r.body)
	}
}

// TestClosedUnread sends requests after Close when the store has never been read:
// none waits any more.
func TestClosedUnread(t *testing.T) {
	t.Parallel()
	s := serve(t, failing{openLocal(t)}, Config{loadPatience: never}, mirror.Config{})
	s.handler.Close()
	if r := s.get(t, "/v2/keys/conftool/v1/a"); r.status != 500 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// TestIndexToCome waits for an index that no gateway can have sent, unless the store
// was restored.
func TestIndexToCome(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	if r := s.get(t, "/v2/keys/conftool/v1/a?wait=true&waitIndex=81920000"); r.status != 400 || r.parsed.ErrorCode != 401 {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.later(t, put("/conftool/v1/a", "2"))
	s.later(t, put("/conftool/v1/a", "3"))
	if r := s.get(t, "/v2/keys/conftool/v1/a?wait=true&waitIndex=24576"); r.status != 200 || *r.parsed.Node.Value != "3" {
		t.Errorf("another gateway was ahead: %d %s", r.status, r.body)
	}
}

// follow reads once, and then follows by waitIndex.
func (s *site) follow(t testing.TB, target string, got func(parsed) bool, header ...string) error {
	index := "1"
	for {
		r, err := try(t.Context(), http.MethodGet, s.URL, target+"?wait=true&recursive=true&waitIndex="+index, header...)
		if err != nil {
			return err
		}
		if r.status != 200 || r.parsed.Node.Key == "" {
			return fmt.Errorf("%d %q", r.status, r.body)
		}
		high := r.parsed.Node.ModifiedIndex
		for _, n := range r.parsed.Node.Nodes {
			high = max(high, n.ModifiedIndex)
		}
		if got(r.parsed) {
			return nil
		}
		index = strconv.FormatUint(high+1, 10)
	}
}

// TestFollow checks three readers over 1,000 random transactions: one follows each
// event, one follows the state like PyBal, and one reads everything.
func TestFollow(t *testing.T) {
	t.Parallel()
	const total = 1000
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/all/a", "-1"), put("/conftool/v1/all/b", "-1"))
	reads := map[int]int{} // how often each state was read
	var mu sync.Mutex
	var want []string // of each event: its revision, key and value
	state := map[string]string{}
	end := make(chan struct{})

	var wg sync.WaitGroup
	var events []string
	wg.Go(func() {
		last := uint64(0)
		err := s.follow(t, "/v2/keys/conftool/v1/d", func(p parsed) bool {
			v := "-"
			if p.Node.Value != nil {
				v = *p.Node.Value
			}
			if p.Node.ModifiedIndex <= last || p.Node.ModifiedIndex >= 1<<53 {
				t.Errorf("index %d after %d", p.Node.ModifiedIndex, last)
			}
			last = p.Node.ModifiedIndex
			events = append(events, fmt.Sprint(last/8192, " ", p.Node.Key, "=", v))
			return p.Node.Key == "/conftool/v1/d/end"
		})
		if err != nil {
			t.Error(err)
		}
	})
	pybal := map[string]string{}
	wg.Go(func() {
		err := s.follow(t, "/v2/keys/conftool/v1/d/", func(p parsed) bool {
			time.Sleep(20 * time.Millisecond) // it pauses after each answer
			nodes := p.Node.Nodes
			if !p.Node.Dir {
				nodes = []node{p.Node}
			}
			for _, n := range nodes {
				if n.Value == nil {
					delete(pybal, n.Key)
				} else {
					pybal[n.Key] = *n.Value
				}
			}
			return pybal["/conftool/v1/d/end"] != ""
		}, "User-Agent", "PyBal/1.15")
		if err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		last := -1
		for {
			select {
			case <-end:
				return
			default:
			}
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/all/?recursive=true")
			if err != nil || r.status != 200 {
				t.Errorf("%v: %d %s", err, r.status, r.body)
				return
			}
			a, b := r.parsed.Node.Nodes[0], r.parsed.Node.Nodes[1]
			now, err := strconv.Atoi(*a.Value)
			if err != nil || *a.Value != *b.Value || now < last || a.ModifiedIndex != b.ModifiedIndex {
				t.Errorf("torn, or going back from %d: %s", last, r.body)
				return
			}
			last = now
			reads[now]++
		}
	})
	rng := newRand()
	for i := range total {
		writes := []store.Write{put("/conftool/v1/all/a", fmt.Sprint(i)), put("/conftool/v1/all/b", fmt.Sprint(i))}
		for _, k := range rng.Perm(20)[:1+rng.IntN(8)] {
			key := fmt.Sprintf("/conftool/v1/d/%02d", k)
			if _, there := state[key]; there && rng.IntN(3) == 0 {
				writes = append(writes, del(key))
				delete(state, key)
			} else {
				writes = append(writes, put(key, fmt.Sprint(i)))
				state[key] = fmt.Sprint(i)
			}
		}
		if i == total-1 {
			writes = append(writes, put("/conftool/v1/d/end", "end"))
			state["/conftool/v1/d/end"] = "end"
		}
		r, err := s.store.Commit(t.Context(), store.Txn{Writes: writes})
		if err != nil {
			t.Fatal(err)
		}
		var replies []string
		for _, w := range writes[2:] {
			v := string(w.Value)
			if w.Delete {
				v = "-"
			}
			replies = append(replies, fmt.Sprint(r.Revision, " ", w.Key, "=", v))
		}
		slices.Sort(replies)
		mu.Lock()
		want = append(want, replies...)
		mu.Unlock()
	}
	s.reached(t, total+1)
	close(end)
	wg.Wait()
	if len(reads) < 10 {
		t.Errorf("of %d states only %d were read: there was nothing to tear", total, len(reads))
	}
	if !slices.Equal(events, want) {
		i := 0
		for i < min(len(events), len(want)) && events[i] == want[i] {
			i++
		}
		t.Errorf("%d events of %d, the first difference at %d: %q, %q", len(events), len(want), i, events[i:min(len(events), i+3)], want[i:min(len(want), i+3)])
	}
	if fmt.Sprint(pybal) != fmt.Sprint(state) {
		t.Errorf("PyBal has\n%v, there is\n%v", pybal, state)
	}
}

// TestPyBalForgotten waits like PyBal with a forgotten index: it gets the current
// content and the known deletions, and continues.
func TestPyBalForgotten(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{Batches: 2})
	for i := range 5 {
		s.commit(t, put("/conftool/v1/s/a", fmt.Sprint(i)), put("/conftool/v1/s/b", "b"), put("/conftool/v1/t", "t"))
	}
	s.commit(t, del("/conftool/v1/s/b"), del("/conftool/v1/t"))
	if r := s.get(t, "/v2/keys/conftool/v1/s?wait=true&waitIndex=8192&recursive=true"); r.status != 400 || r.parsed.ErrorCode != 401 || r.parsed.Index != 7*8192-1 || r.header.Get("X-Etcd-Index") != fmt.Sprint(7*8192-1) {
		t.Errorf("another: %d %s", r.status, r.body)
	}
	r := s.get(t, "/v2/keys/conftool/v1/s?wait=true&waitIndex=8192&recursive=true", "User-Agent", "PyBal/1.15")
	if want := `{"action":"set","node":{"key":"/conftool/v1/s","dir":true,"nodes":[{"key":"/conftool/v1/s/b","modifiedIndex":49152,"createdIndex":49152},{"key":"/conftool/v1/s/a","value":"4","modifiedIndex":49151,"createdIndex":16383}],"modifiedIndex":57343,"createdIndex":16383}}` + "\n"; r.status != 200 || r.body != want {
		t.Errorf("PyBal: %d %s\nwant %s", r.status, r.body, want)
	}
	s.later(t, put("/conftool/v1/s/c", "1"), put("/conftool/v1/s/d", "1"))
	r = s.get(t, "/v2/keys/conftool/v1/s?wait=true&waitIndex=57344&recursive=true", "User-Agent", "PyBal/1.15")
	if got := strings.Join(keys(r.parsed.Node), " "); got != "/conftool/v1/s/ /conftool/v1/s/c /conftool/v1/s/d" || r.parsed.Node.ModifiedIndex != 57345 {
		t.Errorf("and then: %s", r.body)
	}
}

// TestPyBalOutside waits like PyBal with a forgotten index at a path that is never
// served: it gets nothing from other paths.
func TestPyBalOutside(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{Prefixes: []string{"/"}, Batches: 1})
	for range 3 {
		s.commit(t, put("/conftool/v1/a", "1"), put("/x/y", "1"))
	}
	for _, key := range []string{"/x", "/conftool/v2", "/" + strings.Repeat("x", 50)} {
		r := s.get(t, "/v2/keys"+key+"?wait=true&recursive=true&waitIndex=1", "User-Agent", "PyBal/1")
		if r.status != 400 || r.parsed.ErrorCode != codeIndexCleared {
			t.Errorf("%s: %d %s", key, r.status, r.body)
		}
		for _, listed := range []string{"/conftool/v1/a", "/x/y", "/conftool/v1/" + strings.Repeat("x", 50)} {
			if s.handler.lists(key, listed) {
				t.Errorf("%s lists %s", key, listed)
			}
		}
	}
	if s.handler.lists("/conftool/v1/a", "/conftool/v1/a-b") {
		t.Error("a lists a-b")
	}
}

// TestManyWait makes 1,000 clients wait for one change.
func TestManyWait(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	const clients = 1000
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "GET /v2/keys/conftool/v1/a?wait=true HTTP/1.0\r\n\r\n")
			if body, err := io.ReadAll(conn); err != nil || !strings.Contains(string(body), `"value":"2"`) {
				t.Errorf("%v %q", err, body)
			}
		})
	}
	for s.handler.Stats().Waiting < clients {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	s.commit(t, put("/conftool/v1/a", "2"))
	wg.Wait()
	t.Logf("%d clients were told in %v", clients, time.Since(begun))
}

// TestSlowReaders checks that memory and time are limited for clients that request
// much and read nothing.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{MaxBytes: 20 << 20, SendTime: time.Second}, mirror.Config{})
	big := strings.Repeat("x", 1<<20)
	var conns []net.Conn
	for i := range 6 {
		for k := range 8 {
			s.commit(t, put(fmt.Sprint("/conftool/v1/big/", k), fmt.Sprint(i, big)))
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, "GET /v2/keys/conftool/v1/big?recursive=true HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		if held := s.handler.Stats().Bytes; held > 20<<20 {
			t.Fatalf("%d bytes are held", held)
		}
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/big?recursive=true")
		if err == nil && r.status == 200 { // on a busy machine, this client is slow too
			break
		}
		if time.Now().After(end) {
			t.Fatalf("slow readers keep all others from reading: %d %s %v", r.status, r.body, err)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// stuck is a client that reads nothing of a body until it is released.
type stuck struct {
	*httptest.ResponseRecorder
	begun chan struct{} // closed when there is something to read
	let   <-chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	if len(b) > 1000 {
		close(s.begun)
		<-s.let
	}
	return s.ResponseRecorder.Write(b)
}

// TestSlowReadersOfEvents makes clients request past changes of a large object, and
// everything like PyBal, and read nothing. Memory is limited: clients with the same
// request share a body, and others are refused.
func TestSlowReadersOfEvents(t *testing.T) {
	t.Parallel()
	const most = 4 << 20
	s := serve(t, openLocal(t), Config{MaxBytes: most}, mirror.Config{Batches: 4})
	big := strings.Repeat("x", 1<<20)
	var last store.Revision
	for i := range 8 {
		last = s.commit(t, put("/conftool/v1/big", fmt.Sprint(i, big)))
	}
	let := make(chan struct{})
	var clients sync.WaitGroup
	defer clients.Wait()
	defer close(let)
	ask := func(agent string, index uint64) (status int) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprint("/v2/keys/conftool/v1?recursive=true&wait=true&waitIndex=", index), http.NoBody)
		r.Header.Set("User-Agent", agent)
		w := &stuck{httptest.NewRecorder(), make(chan struct{}), let}
		answered := make(chan struct{})
		clients.Go(func() {
			s.handler.ServeHTTP(w, r)
			close(answered)
		})
		select {
		case <-answered:
			return w.Code
		case <-w.begun:
			return 0
		}
	}
	first := uint64(last) * 8192
	if a, b := ask("curl", first), ask("curl", first); a != 0 || b != 0 {
		t.Errorf("two that share an event are answered with %d and %d", a, b)
	}
	refused := 0
	for _, agent := range []string{"curl", "PyBal/1"} {
		for _, index := range []uint64{first - 8192, first - 2*8192, 1, 2} {
			if status := ask(agent, index); status == http.StatusServiceUnavailable {
				refused++
			}
		}
	}
	if held := s.handler.Stats().Bytes; refused == 0 || held == 0 || held > most {
		t.Errorf("%d were refused, and %d bytes are held", refused, held)
	}
}

// TestBodiesAreMadeOnce checks that concurrent clients with the same request share
// the first body, and that only one body is made at a time.
func TestBodiesAreMadeOnce(t *testing.T) {
	t.Parallel()
	bs := newBodies(1 << 20)
	var made, making atomic.Int32
	var clients sync.WaitGroup
	for i := range 100 {
		clients.Go(func() {
			b, fail := bs.share(1, bodyKey{key: fmt.Sprint(i % 4)}, func() ([]byte, *failure) {
				if making.Add(1) > 1 {
					t.Error("two are made at a time")
				}
				runtime.Gosched()
				made.Add(1)
				making.Add(-1)
				return []byte("x"), nil
			})
			if fail != nil {
				t.Error(fail.cause)
				return
			}
			bs.release(b)
		})
	}
	clients.Wait()
	if made.Load() != 4 {
		t.Errorf("%d are made for 4", made.Load())
	}
}

// TestReloadWakes waits across a gap: the client gets the differences, and its next
// request with that index reports that the rest is forgotten.
func TestReloadWakes(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{nil, {"User-Agent", "PyBal/2"}} {
		st := &gapped{Store: openLocal(t)}
		s := serve(t, st, Config{}, mirror.Config{})
		s.commit(t, put("/conftool/v1/s/a", "1"), put("/conftool/v1/s/b", "1"))
		replies := make(chan reply, 1)
		go func() {
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/s?wait=true&recursive=true", header...)
			if err != nil {
				t.Error(err)
			}
			replies <- r
		}()
		s.waiting(t, 1)
		st.gap(t, put("/conftool/v1/s/a", "2"), del("/conftool/v1/s/b"))
		r := <-replies
		next := fmt.Sprintf("/v2/keys/conftool/v1/s?wait=true&recursive=true&waitIndex=%d", r.parsed.Node.ModifiedIndex+1)
		again := s.get(t, next, header...)
		if header == nil && (r.parsed.Node.Key != "/conftool/v1/s/a" || again.parsed.ErrorCode != 401) {
			t.Errorf("%s, and then %s", r.body, again.body)
		}
		if header != nil && (len(r.parsed.Node.Nodes) != 2 || r.parsed.Node.Nodes[1].Value != nil || !again.parsed.Node.Dir) {
			t.Errorf("PyBal: %s, and then %s", r.body, again.body)
		}
	}
}

// TestPutBack continues a wait after the store is restored: the indexes that it
// waits for are far in the future.
func TestPutBack(t *testing.T) {
	t.Parallel()
	older := openLocal(t)
	if _, err := older.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/conftool/v1/a", "old"), put("/conftool/v1/b", "old")}}); err != nil {
		t.Fatal(err)
	}
	st := &gapped{Store: openLocal(t)}
	s := serve(t, st, Config{}, mirror.Config{})
	for i := range 10 {
		s.commit(t, put("/conftool/v1/a", fmt.Sprint(i)), put("/conftool/v1/b", "old"))
	}
	replies := make(chan reply, 2)
	for _, key := range []string{"a", "c"} {
		go func() {
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/"+key+"?wait=true")
			if err != nil {
				t.Error(err)
			}
			replies <- r
		}()
	}
	s.waiting(t, 2)
	st.putBack(older)
	if r := <-replies; r.parsed.Node.Key != "/conftool/v1/a" || *r.parsed.Node.Value != "old" {
		t.Errorf("what is different: %s", r.body)
	}
	s.commit(t, put("/conftool/v1/c", "new"))
	if r := <-replies; r.parsed.Node.Key != "/conftool/v1/c" {
		t.Errorf("what comes after: %s", r.body)
	}
}

// TestEmptied makes the store come back empty. That is neither an answer to a read
// nor a deletion of everything for a wait.
func TestEmptied(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"curl", "PyBal/1"} {
		st := &gapped{Store: openLocal(t)}
		s := serve(t, st, Config{settleTime: never}, mirror.Config{})
		for i := range 3 {
			s.commit(t, put("/conftool/v1/s/a", fmt.Sprint(i)), put("/conftool/v1/s/b", "1"))
		}
		replies := make(chan reply, 1)
		go func() {
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/s?wait=true&recursive=true", "User-Agent", agent)
			if err != nil {
				t.Error(err)
			}
			replies <- r
		}()
		s.waiting(t, 1)
		st.putBack(openLocal(t))
		if r := <-replies; r.status != 200 || r.body != "" {
			t.Errorf("%s: one that waits: %d %s", agent, r.status, r.body)
		}
		for _, query := range []string{"", "&wait=true", "&wait=true&waitIndex=1", "&wait=true&waitIndex=81920000"} {
			r := s.get(t, "/v2/keys/conftool/v1/s?recursive=true"+query, "User-Agent", agent)
			if r.status != 500 || r.parsed.Cause != "the store holds nothing below /conftool/v1/" {
				t.Errorf("%s: %q: %d %s", agent, query, r.status, r.body)
			}
		}
	}
}

// TestLargeReload makes more differences, after a restore, than a revision has
// indexes: all of them are sent, and none has the last index.
func TestLargeReload(t *testing.T) {
	t.Parallel()
	other := openLocal(t)
	for i := range 3 {
		var writes []store.Write
		for k := range 3000 {
			writes = append(writes, put(fmt.Sprint("/conftool/v1/s/", i, "-", k), ""))
		}
		if _, err := other.Commit(t.Context(), store.Txn{Writes: writes}); err != nil {
			t.Fatal(err)
		}
	}
	st := &gapped{Store: openLocal(t)}
	s := serve(t, st, Config{}, mirror.Config{})
	for range 4 {
		s.commit(t, put("/conftool/v1/t", ""))
	}
	replies := make(chan reply, 1)
	go func() {
		r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/s?wait=true&recursive=true", "User-Agent", "PyBal/1")
		if err != nil {
			t.Error(err)
		}
		replies <- r
	}()
	s.waiting(t, 1)
	st.putBack(other)
	n := (<-replies).parsed.Node
	if len(n.Nodes) != 9000 || n.ModifiedIndex != 4*8192-2 {
		t.Errorf("%d nodes, up to index %d", len(n.Nodes), n.ModifiedIndex)
	}
}

// TestFresh reads after each change what was written.
func TestFresh(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	for i := range 50 {
		s.commit(t, put("/conftool/v1/a/k", fmt.Sprint(i)))
		for _, target := range []string{"/v2/keys/conftool/v1/a?recursive=true", "/v2/keys/conftool/v1/a/k"} {
			n := s.get(t, target).parsed.Node
			if n.Dir {
				n = n.Nodes[0]
			}
			if *n.Value != fmt.Sprint(i) {
				t.Fatalf("%s: %s, want %d", target, *n.Value, i)
			}
		}
	}
}

// TestTurn blocks a client that gets a change for very long: clients that ask for
// past events are not delayed, clients can disconnect, and Close ends all of them.
func TestTurn(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	at := s.commit(t, put("/conftool/v1/a", "1"))
	s.handler.turn <- struct{}{}
	defer func() { <-s.handler.turn }()
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if r, err := try(soon, http.MethodGet, s.URL, fmt.Sprint("/v2/keys/conftool/v1/a?wait=true&waitIndex=", uint64(at)*8192)); err != nil || r.status != 200 || *r.parsed.Node.Value != "1" {
		t.Fatalf("what was before: %v: %d %s", err, r.status, r.body)
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	for _, c := range []context.Context{ctx, t.Context()} {
		go func() {
			r, err := try(c, http.MethodGet, s.URL, "/v2/keys/conftool/v1/a?wait=true")
			if err == nil && r.body != "" {
				err = fmt.Errorf("told out of turn: %s", r.body)
			}
			done <- err
		}()
	}
	s.waiting(t, 2)
	s.commit(t, put("/conftool/v1/a", "2"))
	time.Sleep(50 * time.Millisecond) // they are woken, and wait for their turn
	leave()
	if err := <-done; err == nil {
		t.Error("one that leaves got an answer")
	}
	s.waiting(t, 1)
	s.handler.Close()
	s.waiting(t, 0)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// waiting waits until n requests are waiting.
func (s *site) waiting(t testing.TB, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); s.handler.Stats().Waiting != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests wait, want %d", s.handler.Stats().Waiting, n)
		}
	}
}

// TestFirstOfAllowed makes an event between those of a key and of the keys below it.
func TestFirstOfAllowed(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Allow: []string{"/conftool/v1/a-b", "/conftool/v1/a"}}, mirror.Config{})
	at := s.commit(t, put("/conftool/v1/a", ""), put("/conftool/v1/a-", ""), put("/conftool/v1/a-b", ""), put("/conftool/v1/a/x", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var got []string
	for index := uint64(at) * 8192; len(got) < 3; {
		r, err := try(ctx, http.MethodGet, s.URL, fmt.Sprint("/v2/keys/?recursive=true&wait=true&waitIndex=", index))
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, r.parsed.Node.Key)
		index = r.parsed.Node.ModifiedIndex + 1
	}
	if want := "[/conftool/v1/a /conftool/v1/a-b /conftool/v1/a/x]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestEvents compares the events found in a batch with those found by checking each
// event.
func TestEvents(t *testing.T) {
	t.Parallel()
	m := mirror.New(mirror.Config{Prefixes: []string{"/"}})
	part := rapid.SampledFrom([]string{"a", "a-b", "b", "_h", "."})
	below := rapid.Custom(func(t *rapid.T) string {
		return "/conftool/v1/" + strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), "/")
	})
	elsewhere := rapid.SampledFrom([]string{"", "/conftool", "/conftool/v1", "/x", "/conftool/v2/a", "/conftool/.confctl/x"})
	anywhere := rapid.OneOf(below, elsewhere)
	rapid.Check(t, func(t *rapid.T) {
		allow := rapid.SliceOfN(below, 0, 3).Draw(t, "allow")
		h, err := New(Config{Mirror: m, Namespace: "/conftool", APIVersion: "v1", Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		b := &mirror.Batch{Revision: 7}
		served := 0
		keys := rapid.SliceOfNDistinct(anywhere, 1, 20, rapid.ID[string]).Draw(t, "keys")
		slices.Sort(keys)
		for _, k := range keys {
			if k < h.root {
				served++
			}
			b.Events = append(b.Events, mirror.Event{Event: store.Event{Entry: store.Entry{Key: k}}})
		}
		q := query{key: anywhere.Draw(t, "key"), recursive: rapid.Bool().Draw(t, "recursive")}
		if q.key != "" {
			q.key = path.Clean(q.key) // as in every request
		}
		var want []event
		for i, e := range b.Events {
			below := q.recursive && strings.HasPrefix(e.Key, q.key+"/") && h.lists(q.key, e.Key)
			if h.may(e.Key) == within && !odd(e.Key) && (e.Key == q.key || below) {
				want = append(want, event{e, uint64(7*8192 + i - served)})
			}
		}
		got := h.events(t.Context(), q, []*mirror.Batch{b}, false)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("allowed %q, %+v: %v, want %v", allow, q, got, want)
		}
		if one := h.events(t.Context(), q, []*mirror.Batch{b}, true); fmt.Sprint(one) != fmt.Sprint(want[:min(1, len(want))]) {
			t.Errorf("allowed %q, %+v: the first is %v of %v", allow, q, one, want)
		}
		if places := h.places(q); h.may(q.key) == outside && len(places) > 0 {
			t.Errorf("%+v: looked for in %q", q, places)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if got := h.events(gone, q, []*mirror.Batch{b}, false); got != nil {
			t.Errorf("for one who is gone: %v", got)
		}
	})
}
