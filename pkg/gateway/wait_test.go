package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// TestWait follows a wait from the headers to the event.
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
	for end := time.Now().Add(5 * time.Second); s.handler.Stats().Waiting > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", s.handler.Stats())
		}
	}
}

// TestWaitIsBounded has more wait than may, and then all be sent away.
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

// TestIndexToCome waits for what no gateway can have said, unless the store was
// put back.
func TestIndexToCome(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, put("/conftool/v1/a", "1"))
	begun := time.Now()
	r := s.get(t, "/v2/keys/conftool/v1/a?wait=true&waitIndex=81920000")
	if took := time.Since(begun); r.status != 400 || r.parsed.ErrorCode != 401 || took > 3*time.Second {
		t.Errorf("after %v: %d %s", took, r.status, r.body)
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

// TestFollow has one reader follow each event, one like PyBal follow the
// state, and one read all, over 1,000 random transactions.
func TestFollow(t *testing.T) {
	t.Parallel()
	const total = 1000
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
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
			time.Sleep(20 * time.Millisecond) // it takes a break after each answer
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
		last := 0
		for {
			select {
			case <-end:
				return
			default:
			}
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/all/?recursive=true")
			if err != nil {
				t.Error(err)
				return
			}
			if r.status == 500 { // nothing is there yet
				continue
			}
			a, b := r.parsed.Node.Nodes[0], r.parsed.Node.Nodes[1]
			now, err := strconv.Atoi(*a.Value)
			if err != nil || *a.Value != *b.Value || now < last || a.ModifiedIndex != b.ModifiedIndex {
				t.Errorf("torn, or going back from %d: %s", last, r.body)
				return
			}
			last = now
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
		var told []string
		for _, w := range writes[2:] {
			v := string(w.Value)
			if w.Delete {
				v = "-"
			}
			told = append(told, fmt.Sprint(r.Revision, " ", w.Key, "=", v))
		}
		slices.Sort(told)
		mu.Lock()
		want = append(want, told...)
		mu.Unlock()
	}
	s.reached(t, total)
	close(end)
	wg.Wait()
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

// TestPyBalForgotten has PyBal come with an index that is forgotten: it gets
// all there is, what went meanwhile as far as it is known, and goes on.
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
	if want := `{"action":"set","node":{"key":"/conftool/v1/s","dir":true,"nodes":[{"key":"/conftool/v1/s/b","modifiedIndex":49152,"createdIndex":16383},{"key":"/conftool/v1/s/a","value":"4","modifiedIndex":49151,"createdIndex":16383}],"modifiedIndex":57343,"createdIndex":49151}}` + "\n"; r.status != 200 || r.body != want {
		t.Errorf("PyBal: %d %s\nwant %s", r.status, r.body, want)
	}
	s.later(t, put("/conftool/v1/s/c", "1"), put("/conftool/v1/s/d", "1"))
	r = s.get(t, "/v2/keys/conftool/v1/s?wait=true&waitIndex=57344&recursive=true", "User-Agent", "PyBal/1.15")
	if got := strings.Join(keys(r.parsed.Node), " "); got != "/conftool/v1/s/ /conftool/v1/s/c /conftool/v1/s/d" || r.parsed.Node.ModifiedIndex != 57345 {
		t.Errorf("and then: %s", r.body)
	}
}

// TestManyWait has 1,000 clients wait for one change.
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

// TestSlowReaders has clients ask for much and take nothing: what they hold on
// to is bounded, and so is for how long.
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
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/big?recursive=true")
		if err == nil && r.status == 200 { // a busy machine is a slow reader, too
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

// TestReloadWakes has a wait span a gap: it is told of what is different, and
// asked again from there the gateway says that the rest is forgotten.
func TestReloadWakes(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{nil, {"User-Agent", "PyBal/2"}} {
		st := &gapped{Store: openLocal(t)}
		s := serve(t, st, Config{}, mirror.Config{})
		s.commit(t, put("/conftool/v1/s/a", "1"), put("/conftool/v1/s/b", "1"))
		told := make(chan reply, 1)
		go func() {
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/s?wait=true&recursive=true", header...)
			if err != nil {
				t.Error(err)
			}
			told <- r
		}()
		for s.handler.Stats().Waiting < 1 {
			time.Sleep(time.Millisecond)
		}
		st.gap(t, put("/conftool/v1/s/a", "2"), del("/conftool/v1/s/b"))
		r := <-told
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

// TestPutBack has a wait go on over a store that was put back: the indexes that
// it waits for will not come for long.
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
	told := make(chan reply, 2)
	for _, key := range []string{"a", "c"} {
		go func() {
			r, err := try(t.Context(), http.MethodGet, s.URL, "/v2/keys/conftool/v1/"+key+"?wait=true")
			if err != nil {
				t.Error(err)
			}
			told <- r
		}()
	}
	for s.handler.Stats().Waiting < 2 {
		time.Sleep(time.Millisecond)
	}
	st.putBack(older)
	if r := <-told; r.parsed.Node.Key != "/conftool/v1/a" || *r.parsed.Node.Value != "old" {
		t.Errorf("what is different: %s", r.body)
	}
	s.commit(t, put("/conftool/v1/c", "new"))
	if r := <-told; r.parsed.Node.Key != "/conftool/v1/c" {
		t.Errorf("what comes after: %s", r.body)
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
