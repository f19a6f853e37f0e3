package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/mirror"
)

// looper is a client that repeatedly waits from now on, like confd 0.16 with the
// backend etcd. Each looper has its own connections.
type looper struct {
	t    *testing.T
	s    *site
	http *http.Client
}

func (s *site) looper(t *testing.T) looper {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return looper{t, s, &http.Client{Transport: transport}}
}

// wait sends a request, and returns when the gateway is waiting or has answered. key
// reads the response, and returns the key of its event.
func (l looper) wait(ctx context.Context, target string) (key func() string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.s.URL+"/v2/keys/conftool/v1/"+target, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := l.http.Do(req) //nolint:bodyclose // closed by the returned function
	if err != nil {
		l.t.Fatal(err)
	}
	return func() string {
		l.t.Helper()
		defer resp.Body.Close() //nolint:errcheck // it was only read
		var p parsed
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			l.t.Fatal(err)
		}
		return strings.TrimPrefix(p.Node.Key, "/conftool/v1/")
	}
}

func (l looper) expect(got, want string) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("told of %s, want %s", got, want)
	}
}

const dirWait = "d?wait=true&recursive=true"

// TestWaitFromNowAgain checks that a client that is processing the first of two
// changes does not lose the second.
func TestWaitFromNowAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Recall: time.Hour}, mirror.Config{})
	s.commit(t, put("/conftool/v1/d/a", "0"))
	l := s.looper(t)
	first := l.wait(t.Context(), dirWait)
	s.commit(t, put("/conftool/v1/d/a", "1"))
	l.expect(first(), "d/a")
	s.commit(t, put("/conftool/v1/d/b", "1"))
	s.commit(t, put("/conftool/v1/d/c", "1"), put("/conftool/v1/d/d", "1"))
	s.commit(t, put("/conftool/v1/elsewhere", "1"))
	for _, want := range []string{"d/b", "d/c", "d/d"} { // in order; the client may not need all of them
		l.expect(l.wait(t.Context(), dirWait)(), want)
	}
	now := l.wait(t.Context(), dirWait)
	s.commit(t, put("/conftool/v1/d/e", "1"))
	l.expect(now(), "d/e")
	// A new connection is the same client.
	s.commit(t, put("/conftool/v1/d/f", "1"))
	l.http.CloseIdleConnections()
	l.expect(l.wait(t.Context(), dirWait)(), "d/f")
}

// TestWaitFromNowAfterAnIndex checks the sequence of confd, which waits with an
// index while events do not match its template, and then from now on.
func TestWaitFromNowAfterAnIndex(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Recall: time.Hour}, mirror.Config{})
	s.commit(t, put("/conftool/v1/d/a", "0"))
	l := s.looper(t)
	first := l.wait(t.Context(), dirWait)
	s.commit(t, put("/conftool/v1/d/unneeded", "1"))
	l.expect(first(), "d/unneeded")
	at := s.commit(t, put("/conftool/v1/d/b", "1"))
	l.expect(l.wait(t.Context(), fmt.Sprintf("%s&waitIndex=%d", dirWait, (at-1)*8192+1))(), "d/b")
	s.commit(t, put("/conftool/v1/d/c", "1"))
	l.expect(l.wait(t.Context(), dirWait+"&waitIndex=0")(), "d/c")
	now := l.wait(t.Context(), dirWait)
	s.commit(t, put("/conftool/v1/d/d", "1"))
	l.expect(now(), "d/d")
}

// TestWaitFromNowGivenUp checks that no event is lost between two requests if the
// first got no answer.
func TestWaitFromNowGivenUp(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Recall: time.Hour}, mirror.Config{})
	s.commit(t, put("/conftool/v1/d/a", "0"))
	l := s.looper(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.wait(ctx, dirWait)
	cancel()
	s.waiting(t, 0)
	s.commit(t, put("/conftool/v1/d/b", "1"))
	l.expect(l.wait(t.Context(), dirWait)(), "d/b")
}

// TestWaitFromNowBehindNAT checks that clients of one address are distinguished by
// their connections, so that none loses an event that was sent to another.
func TestWaitFromNowBehindNAT(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{Recall: time.Hour}, mirror.Config{})
	s.commit(t, put("/conftool/v1/d/a", "0"))
	quick, slow := s.looper(t), s.looper(t)
	one, other := quick.wait(t.Context(), dirWait), slow.wait(t.Context(), dirWait)
	s.commit(t, put("/conftool/v1/d/a", "1"))
	quick.expect(one(), "d/a")
	slow.expect(other(), "d/a")
	s.commit(t, put("/conftool/v1/d/b", "1"))
	quick.expect(quick.wait(t.Context(), dirWait)(), "d/b")
	now := quick.wait(t.Context(), dirWait)
	slow.expect(slow.wait(t.Context(), dirWait)(), "d/b")
	s.commit(t, put("/conftool/v1/d/c", "1"))
	quick.expect(now(), "d/c")
}

// TestWaitFromNowAtFirst checks that a client waits from now on if no event has been
// sent to it, or one of another key, or too long ago, or if the events since then
// are forgotten.
func TestWaitFromNowAtFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg    Config
		mirror mirror.Config
		first  string
	}{
		"another key":       {Config{Recall: time.Hour}, mirror.Config{}, "d/a?wait=true"},
		"not what is below": {Config{Recall: time.Hour}, mirror.Config{}, "d/a?wait=true&recursive=true"},
		"too long ago":      {Config{Recall: 1}, mirror.Config{}, dirWait},
		"never remembered":  {Config{Recall: -1}, mirror.Config{}, dirWait},
		"forgotten":         {Config{Recall: time.Hour}, mirror.Config{Batches: 1}, dirWait},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, openLocal(t), c.cfg, c.mirror)
			s.commit(t, put("/conftool/v1/d/a", "0"))
			l := s.looper(t)
			first := l.wait(t.Context(), c.first)
			s.commit(t, put("/conftool/v1/d/a", "1"))
			l.expect(first(), "d/a")
			s.commit(t, put("/conftool/v1/d/b", "1"))
			s.commit(t, put("/conftool/v1/d/c", "1"))
			now := l.wait(t.Context(), dirWait)
			s.commit(t, put("/conftool/v1/d/d", "1"))
			l.expect(now(), "d/d")
		})
	}
}

// TestRecallIsBounded checks that memory is limited for any number of clients.
func TestRecallIsBounded(t *testing.T) {
	t.Parallel()
	m := newRecall(time.Hour)
	for i := range 3 * maxRecalled {
		m.note(waiter{host: fmt.Sprint(i), key: "/k"}, "1", uint64(i))
	}
	one := waiter{host: "one", key: "/k"}
	for i := range 3 * maxOfOne {
		m.note(one, fmt.Sprint(i), uint64(i))
	}
	m.note(waiter{host: "one", key: strings.Repeat("k", longestRecalled+1)}, "1", 1)
	if len(m.sent) > maxRecalled || len(m.sent[one]) != maxOfOne { // makeRoom has not run since
		t.Errorf("%d keys, %d clients of one", len(m.sent), len(m.sent[one]))
	}
	if index, known := m.take(one, fmt.Sprint(3*maxOfOne-1)); !known || index != 3*maxOfOne-1 {
		t.Errorf("%d, %v", index, known)
	}
	if index, known := m.take(one, "new"); !known || index != 2*maxOfOne {
		t.Errorf("%d, %v: not the lowest", index, known)
	}
	for range maxOfOne {
		m.take(one, "")
	}
	if _, left := m.sent[one]; left {
		t.Error("what was taken is still there")
	}
	expired := newRecall(1)
	for i := range 2 * maxRecalled {
		expired.note(waiter{host: fmt.Sprint(i), key: "/k"}, "1", uint64(i))
	}
	if len(expired.sent) > maxRecalled {
		t.Errorf("%d are kept for too long", len(expired.sent))
	}
}

// TestIndexInStep checks that a client that has the last event is not reported as
// being behind, as etcd-mirror would.
func TestIndexInStep(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{Prefixes: []string{"/conftool/"}})
	at := uint64(s.commit(t, put("/conftool/v1/d/a", "1"), put("/conftool/v1/d/b", "1"), put("/conftool/v1/d/c", "1"), put("/conftool/.confctl/j", "")))
	s.commit(t, put("/conftool/.confctl/j", "1")) // not served
	for i := range uint64(3) {
		r := s.get(t, fmt.Sprintf("/v2/keys/conftool/v1?wait=true&recursive=true&waitIndex=%d", at*8192+i))
		if r.parsed.Node.ModifiedIndex != at*8192+i || r.header.Get("X-Etcd-Index") != fmt.Sprint(at*8192+2) {
			t.Errorf("event %d: index %d, X-Etcd-Index %s", i, r.parsed.Node.ModifiedIndex, r.header.Get("X-Etcd-Index"))
		}
	}
	if r := s.get(t, "/v2/keys/conftool/v1/d"); r.header.Get("X-Etcd-Index") != fmt.Sprint((at+1)*8192+8191) {
		t.Errorf("a read has X-Etcd-Index %s", r.header.Get("X-Etcd-Index"))
	}
}
