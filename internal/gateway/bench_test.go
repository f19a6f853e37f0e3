package gateway

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// siteOf starts a gateway with the given number of nodes and the keys of MediaWiki.
func siteOf(b *testing.B, nodes int) *site {
	s := serve(b, openLocal(b), Config{}, mirror.Config{})
	var writes []store.Write
	for i := range nodes {
		writes = append(writes, put(fmt.Sprintf("/conftool/v1/pools/dc%d/cluster%02d/service/host%05d.example.org", i%2, i%40, i), `{"weight": 10, "pooled": "yes"}`))
		if len(writes) == 3000 {
			s.commit(b, writes...)
			writes = nil
		}
	}
	for i := range 5 {
		writes = append(writes, put(fmt.Sprintf("/conftool/v1/mediawiki-config/dc%d/ReadOnly", i), `{"val": false}`))
	}
	s.commit(b, writes...)
	return s
}

func benchRead(b *testing.B, s *site, target string, before func()) {
	req := httptest.NewRequest(http.MethodGet, target, nil)
	size := 0
	for b.Loop() {
		if before != nil {
			before()
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, req)
		if size = w.Body.Len(); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(float64(size), "bytes")
}

func BenchmarkMediaWiki(b *testing.B) {
	benchRead(b, siteOf(b, 1600), "/v2/keys/conftool/v1/mediawiki-config/?recursive=true", nil)
}

func BenchmarkTree1600(b *testing.B) {
	benchRead(b, siteOf(b, 1600), "/v2/keys/conftool/v1/?recursive=true", nil)
}

// BenchmarkTree10000 renders the body in every iteration.
func BenchmarkTree10000(b *testing.B) {
	s := siteOf(b, 10000)
	v := s.mirror.View()
	for b.Loop() {
		if _, fail := s.handler.render(v, bodyKey{key: "/conftool/v1", recursive: true, dir: true}); fail != nil {
			b.Fatal(fail)
		}
	}
}

// BenchmarkChangeToClient measures the time from the commit, on disk, to the
// response over loopback.
func BenchmarkChangeToClient(b *testing.B) {
	s := siteOf(b, 1600)
	index, n := newest(s.mirror.View())+1, 0
	var spent time.Duration
	for b.Loop() {
		got := make(chan reply)
		go func() {
			r, err := try(b.Context(), http.MethodGet, s.URL, fmt.Sprint("/v2/keys/conftool/v1/mediawiki-config?recursive=true&wait=true&waitIndex=", index))
			if err != nil {
				b.Error(err)
			}
			got <- r
		}()
		for s.handler.Stats().Waiting == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		n++
		if _, err := s.store.Commit(b.Context(), store.Txn{Writes: []store.Write{put("/conftool/v1/mediawiki-config/dc1/ReadOnly", fmt.Sprint(n))}}); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		r := <-got
		spent += time.Since(committed)
		index = r.parsed.Node.ModifiedIndex + 1
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(n), "µs/after-commit")
}
