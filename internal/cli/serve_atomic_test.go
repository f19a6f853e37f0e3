package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// wholeTree is where transactions of TestServeWhole and TestServeMoving write.
const wholeTree = loadTree + "/whole"

// history is what a store held below wholeTree after each transaction.
type history struct {
	store.Store
	testing.TB
	rng *rand.Rand

	mu     sync.Mutex
	now    map[string]string
	states map[store.Revision]string
	order  []store.Revision
	events []string // as told writes them
}

func newHistory(t testing.TB, url string) *history {
	return &history{
		Store: storeAt(t, url), TB: t, rng: rand.New(rand.NewPCG(3, 5)),
		now: map[string]string{}, states: map[store.Revision]string{},
	}
}

// told is an event in words. What was deleted has no value.
func told(at store.Revision, key, value string) string {
	return fmt.Sprintf("%d %s=%s", at, key, value)
}

// commits makes transactions, which each write the same number to two keys and to
// some of eight others, or delete those.
func (h *history) commits(n int) (last store.Revision) {
	h.Helper()
	for range n {
		number := fmt.Sprintf(`{"val": %d}`, len(h.order)+1)
		writes := []store.Write{{Key: wholeTree + "/a", Value: []byte(number)}, {Key: wholeTree + "/z", Value: []byte(number)}}
		for _, k := range h.rng.Perm(8)[:h.rng.IntN(6)] {
			w := store.Write{Key: fmt.Sprintf("%s/k%d", wholeTree, k), Value: []byte(number)}
			if w.Delete = h.now[w.Key] != "" && h.rng.IntN(3) == 0; w.Delete {
				w.Value = nil
			}
			writes = append(writes, w)
		}
		slices.SortFunc(writes, func(a, b store.Write) int { return strings.Compare(a.Key, b.Key) })
		r, err := h.Commit(h.Context(), store.Txn{Writes: writes})
		if err != nil {
			h.Fatal(err)
		}
		h.note(r.Revision, writes)
		last = r.Revision
	}
	return last
}

func (h *history) note(at store.Revision, writes []store.Write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range writes {
		if delete(h.now, w.Key); !w.Delete {
			h.now[w.Key] = string(w.Value)
		}
		h.events = append(h.events, told(at, w.Key, string(w.Value)))
	}
	h.states[at] = inWords(h.now)
	h.order = append(h.order, at)
}

func inWords(state map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(state)) {
		all = append(all, k+"="+state[k])
	}
	return strings.Join(all, " ")
}

// at is what the store held at a revision, or at the last transaction before it.
func (h *history) at(r store.Revision) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, there := slices.BinarySearch(h.order, r)
	switch {
	case there:
		return h.states[r]
	case i == 0:
		return ""
	}
	return h.states[h.order[i-1]]
}

// wholeAnswer is an answer about several keys, or one.
type wholeAnswer struct {
	Node      wholeNode
	ErrorCode int
	index     uint64 // X-Etcd-Index
	status    int
}

type wholeNode struct {
	Key           string
	Value         *string
	Dir           bool
	ModifiedIndex uint64
	Nodes         []wholeNode
}

// leaves are the keys of an answer.
func (a wholeAnswer) leaves() []wholeNode {
	if a.Node.Dir {
		return a.Node.Nodes
	}
	return []wholeNode{a.Node}
}

// revisionOf is that of the transaction an index belongs to.
func revisionOf(index uint64) store.Revision { return store.Revision(index / 8192) }

// askWhole asks for wholeTree and all below it. The status is 0 if there was no answer.
func askWhole(ctx context.Context, c *http.Client, gateway, wait, agent string) (a wholeAnswer) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/v2/keys"+wholeTree+"?recursive=true"+wait, http.NoBody)
	if err != nil {
		return wholeAnswer{}
	}
	r.Header.Set("User-Agent", agent)
	resp, err := c.Do(r)
	if err != nil {
		return wholeAnswer{}
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if json.NewDecoder(resp.Body).Decode(&a) != nil {
		return wholeAnswer{}
	}
	a.status = resp.StatusCode
	_, _ = fmt.Sscan(resp.Header.Get("X-Etcd-Index"), &a.index)
	return a
}

// seenState is what a client of wholeTree holds of it: at a revision, all of it.
type seenState struct {
	at   store.Revision
	text string
}

// whole are clients of a gateway who keep what they have seen.
type whole struct {
	*history
	gateway string
	mu      sync.Mutex
	seen    map[string][]seenState // by who
	cleared int                    // answers that changes are forgotten
}

func (w *whole) saw(who string, at uint64, state map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[who] = append(w.seen[who], seenState{revisionOf(at), inWords(state)})
}

// reads reads all again and again.
func (w *whole) reads(ctx context.Context) {
	c := reader(1)
	for ctx.Err() == nil {
		switch a := askWhole(ctx, c, w.gateway, "", ""); {
		case ctx.Err() != nil:
		case a.status != http.StatusOK:
			w.Errorf("a read is answered with %d, error %d", a.status, a.ErrorCode)
		default:
			w.saw("reads", a.index, stateOf(a))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func stateOf(a wholeAnswer) map[string]string {
	state := map[string]string{}
	take(state, a.leaves())
	return state
}

// take applies what an answer says to a state.
func take(state map[string]string, leaves []wholeNode) {
	for _, n := range leaves {
		if delete(state, n.Key); n.Value != nil {
			state[n.Key] = *n.Value
		}
	}
}

// waits follows by waitIndex, as PyBal does or as others do. Every answer to PyBal
// makes its state that of one revision. For others it is so once all events of a
// transaction have come, and when they have read all again.
func (w *whole) waits(ctx context.Context, agent string) {
	c := reader(1)
	var state map[string]string
	last := uint64(0) // the highest index that was told
	for ctx.Err() == nil {
		if state == nil {
			a := askWhole(ctx, c, w.gateway, "", agent)
			if a.status == http.StatusOK {
				state, last = stateOf(a), a.index
				w.saw(agent, last, state)
			}
			continue
		}
		a := askWhole(ctx, c, w.gateway, fmt.Sprintf("&wait=true&waitIndex=%d", last+1), agent)
		switch pybal := strings.HasPrefix(agent, "PyBal/"); {
		case a.status == 0:
		case a.ErrorCode == 401 && !pybal:
			w.mu.Lock()
			w.cleared++
			w.mu.Unlock()
			state = nil
		case a.status != http.StatusOK:
			w.Errorf("%s: a wait is answered with %d, error %d", agent, a.status, a.ErrorCode)
		default:
			if !pybal && revisionOf(a.Node.ModifiedIndex) > revisionOf(last) {
				w.saw(agent, last, state) // nothing more of that transaction will come
			}
			take(state, a.leaves())
			if last = a.Node.ModifiedIndex; pybal {
				w.saw(agent, last, state)
			}
		}
	}
}

// TestServeWhole has 1,000 transactions, in between some that the gateway does not
// hear of until they are forgotten, and clients that read and that wait. What they
// see is what there was at one revision, and never goes back.
func TestServeWhole(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	p := etcdtest.NewProxy(t, server.URL())
	h := newHistory(t, server.URL())
	first := h.commits(1)
	s := etcdSite(t, p.URL())
	v := s.serve(2, "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	w := &whole{history: h, gateway: v.gateway, seen: map[string][]seenState{}}
	until(t, v.gateway+"/v2/keys"+wholeTree+"/a", http.StatusOK, "val")
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	clients.Go(func() { w.reads(ctx) })
	clients.Go(func() { w.waits(ctx, "PyBal/1.15") })
	clients.Go(func() { w.waits(ctx, "others") })
	h.commits(450)
	p.Freeze()
	server.Compact(t, int64(h.commits(100)))
	p.Cut()
	p.Thaw()
	until(t, v.metrics+"/metrics", http.StatusOK, "confctl_store_reloads_total 1\n")
	last := h.commits(450)
	w.await("reads", last)
	w.await("PyBal/1.15", last)
	last = h.commits(1) // after which others know that they have all of the one before
	w.await("others", last-1)
	stop()
	clients.Wait()
	for who, seen := range w.seen {
		w.check(who, seen, first)
	}
	if w.cleared != 1 {
		t.Errorf("who waits was told %d times that changes are forgotten", w.cleared)
	}
}

// await waits until a client has seen a revision.
func (w *whole) await(who string, at store.Revision) {
	w.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		seen := w.seen[who]
		w.mu.Unlock()
		if n := len(seen); n > 0 && seen[n-1].at >= at {
			return
		}
		if time.Now().After(end) {
			w.Fatalf("%s: revision %d is not seen after %d answers", who, at, len(seen))
		}
	}
}

func (w *whole) check(who string, seen []seenState, before store.Revision) {
	w.Helper()
	different := map[store.Revision]bool{}
	for i, s := range seen {
		if want := w.at(s.at); s.text != want {
			w.Fatalf("%s: answer %d is said to be of revision %d and holds\n%s\nwhich held\n%s", who, i, s.at, s.text, want)
		}
		if s.at < before {
			w.Fatalf("%s: revision %d after %d", who, s.at, before)
		}
		before = s.at
		different[s.at] = true
	}
	w.Logf("%s: %d states, of %d revisions", who, len(seen), len(different))
	if len(different) < 20 {
		w.Errorf("%s saw only %d revisions", who, len(different))
	}
}

// TestServeMoving has a client follow every event by waitIndex, at one of two
// gateways and then at the other, which now and then has only just been started: it
// is told of each event once, in order.
func TestServeMoving(t *testing.T) {
	t.Parallel()
	rounds, _ := faultRounds(t)
	server := etcdtest.Start(t)
	h := newHistory(t, server.URL())
	begin := h.commits(1)
	skip := len(h.events)
	m := &moving{history: h}
	for range m.gateways {
		m.sites = append(m.sites, etcdSite(t, server.URL()))
	}
	m.start(0, "127.0.0.1:0")
	m.start(1, "127.0.0.1:0")
	ctx, stop := context.WithCancel(t.Context())
	var client sync.WaitGroup
	client.Go(func() { m.follow(ctx, lastIndex(begin)) })
	for i := range 4 * rounds {
		h.commits(100)
		m.restart(i % 2)
		h.commits(20)
		m.await(len(h.events) - skip) // or a gateway could not remember that far back
	}
	want := h.events[skip:]
	stop()
	client.Wait()
	for i, event := range m.events {
		if event != want[i] {
			t.Fatalf("event %d is told as %s, it was %s", i, event, want[i])
		}
	}
	t.Logf("%d events, %d by one gateway and %d by the other", len(want), m.answers[0], m.answers[1])
	if m.answers[0] < 100 || m.answers[1] < 100 {
		t.Errorf("the client stays with one gateway: %v", m.answers)
	}
}

// lastIndex is the last index of a transaction.
func lastIndex(r store.Revision) uint64 { return uint64(r)*8192 + 8191 }

// moving is a client of two gateways.
type moving struct {
	*history
	sites    []*site
	gateways [2]*server

	mu      sync.Mutex
	urls    [2]string
	answers [2]int
	events  []string // as told writes them
}

func (m *moving) start(i int, at string) {
	m.Helper()
	v := m.sites[i].serve(1, "--gateway", at)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gateways[i], m.urls[i] = v, v.gateway
}

// restart kills a gateway, and starts it at the same address.
func (m *moving) restart(i int) {
	m.Helper()
	if err := m.gateways[i].Process.Kill(); err != nil {
		m.Fatal(err)
	}
	if _, err := m.gateways[i].Process.Wait(); err != nil {
		m.Fatal(err)
	}
	m.start(i, strings.TrimPrefix(m.urls[i], "http://"))
}

// follow asks for the event after an index, and so on, each time elsewhere.
func (m *moving) follow(ctx context.Context, index uint64) {
	clients := [2]*http.Client{reader(1), reader(1)}
	for i := 0; ctx.Err() == nil; i = 1 - i {
		m.mu.Lock()
		url := m.urls[i]
		m.mu.Unlock()
		switch a := askWhole(ctx, clients[i], url, fmt.Sprintf("&wait=true&waitIndex=%d", index+1), ""); {
		case a.status == 0 || a.status == http.StatusInternalServerError: // it has gone, or has only just come
		case a.status != http.StatusOK || a.Node.Dir || a.Node.ModifiedIndex <= index:
			m.Errorf("the event after %d is told as %d, error %d, %+v", index, a.status, a.ErrorCode, a.Node)
			return
		default:
			index = a.Node.ModifiedIndex
			m.tells(i, a.Node)
		}
	}
}

func (m *moving) tells(i int, n wholeNode) {
	value := ""
	if n.Value != nil {
		value = *n.Value
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, told(revisionOf(n.ModifiedIndex), n.Key, value))
	m.answers[i]++
}

// await waits until the client was told of so many events.
func (m *moving) await(n int) {
	m.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		got := len(m.events)
		m.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(end) {
			m.Fatalf("of %d events the client was told of %d", n, got)
		}
	}
}
