package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// The replies of the gateway are compared with those of an etcd 3.4 that serves the
// v2 API: always with the recorded ones in testdata, and also with those of the
// installed etcd, if it supports that API. To record the replies of the installed
// etcd again, run
//
//	GATEWAY_RECORD=1 go test ./internal/gateway -run LikeEtcd
//
// Each file begins with the reply of that etcd to /version.

// TestLikeEtcd sends the same requests to both, with the same keys.
func TestLikeEtcd(t *testing.T) {
	t.Parallel()
	keys := map[string]string{
		"/conftool/v1/mediawiki-config/common/WMFMasterDatacenter": `{"val": "eqiad"}`,
		"/conftool/v1/mediawiki-config/eqiad/ReadOnly":             `{"val": false}`,
		"/conftool/v1/mediawiki-config/codfw/ReadOnly":             `{"val": "<b>it's & \"down\" \\ é\u2028</b>\n"}`,
		"/conftool/v1/pools/eqiad/cache_text/https/cp1001":         `{"weight": 10, "pooled": "yes"}`,
		"/conftool/v1/pools/eqiad/cache_text/https/cp1002":         `{"weight": 0, "pooled": "inactive"}`,
		"/conftool/v1/pools/eqiad/cache_text-x/https/cp1001":       ``,
		"/conftool/v1/pools/eqiad/_hidden/https/cp1009":            `{}`,
		"/conftool/v1/pools/eqiad/cache_text/https/_cp1009":        `{}`,
		"/conftool/v1/discovery/a b+c%25/é":                        `{"x": "y"}`,
	}
	var writes []store.Write
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		writes = append(writes, put(k, keys[k]))
	}
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	s.commit(t, writes...)
	likeEtcd(t, "reads", writes, func(t *testing.T, etcd oracle) {
		all := asked(slices.Sorted(maps.Keys(keys)))
		n := 0
		for _, a := range all {
			if etcd.typical && !a.typical {
				continue
			}
			compare(t, a.method, a.target, etcd.ask(t, a.method, a.target), ask(t, a.method, s.URL, a.target))
			n++
		}
		// This is the only write that etcd refuses in the same way, but with status 400.
		theirs, ours := etcd.ask(t, http.MethodPut, "/v2/keys"), ask(t, http.MethodPut, s.URL, "/v2/keys")
		theirs.status = http.StatusForbidden
		compare(t, http.MethodPut, "/v2/keys", theirs, ours)
		t.Logf("%d requests", n)
	})
}

// request is a request that is sent to both. Typical requests are recorded.
type request struct {
	method, target string
	typical        bool
}

// asked returns the requests about keys that are sent to both.
func asked(keys []string) []request {
	plain := []string{"", "?recursive=true", "?waitIndex=3"}
	queries := slices.Concat(plain, []string{"?recursive=false&sorted=true", "?recursive=1&quorum=true", "?unknown=x",
		"?quorum=true&wait=true", "?recursive=&x=y", "?recursive=yes", "?sorted=2", "?quorum=x", "?wait=x", "?dir=x",
		"?waitIndex=-1", "?waitIndex=x&recursive=x", "?wait=true&waitIndex=1e3", "?%zz", "?a;b=c", "?recursive=true&recursive=x"})
	every := []string{"", "/conftool/", "/nope", "/conftool/v1/mediawiki-config", "/conftool/v1/mediawiki-config/eqiad/ReadOnly"}
	paths := slices.Concat(every, odds(), []string{"/", "/conftool", "/conftool/nope/x/y", "/conftool/v2", "/conftool%2Fv1"})
	for _, k := range keys {
		for parts := strings.Split(k, "/"); len(parts) > 2; parts = parts[:len(parts)-1] {
			p := strings.TrimPrefix(escaped(strings.Join(parts, "/")), "/v2/keys")
			paths = append(paths, p, p+"/", p+"/below", p+"x")
		}
	}
	slices.Sort(paths)
	var all []request
	for _, p := range slices.Compact(paths) {
		for _, q := range queries {
			typical := slices.Contains(plain, q) || slices.Contains(every, p)
			target := "/v2/keys" + p + q
			all = append(all, request{http.MethodGet, target, typical}, request{http.MethodHead, target, typical})
		}
	}
	for _, target := range []string{"/", "/v2", "/v2/", "/v2/keysx", "/v2/machines/", "/version/", "/versions"} {
		all = append(all, request{http.MethodGet, target, true})
	}
	return append(all, request{http.MethodHead, "/v2/keys/conftool?wait=true", true})
}

// odds returns paths for which etcd redirects and the gateway does not.
func odds() []string {
	return []string{
		"//", "/.", "/./", "//conftool", "/conftool//v1", "/conftool/v1//", "/conftool/./v1/.", "/conftool/v1/./",
		"/conftool/..", "/conftool/../", "/conftool/nope/../v1/mediawiki-config", "/conftool/v1/pools/../nope",
		"/conftool/v1/%2e%2e/v1", "/conftool/%2E/v1", "/conftool%2f%2fv1", "/conftool%2f..%2fconftool",
		"/conftool/v1/mediawiki-config//eqiad/ReadOnly", "/conftool/v1/mediawiki-config/eqiad/ReadOnly//",
		"/conftool/v1/mediawiki-config/eqiad/ReadOnly/../../codfw/", "/conftool/v1/discovery//a%20b+c%2525/%c3%a9",
	}
}

// TestWaitLikeEtcd makes the same changes in both, and follows them.
func TestWaitLikeEtcd(t *testing.T) {
	t.Parallel()
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	var writes []store.Write
	for i := range 6 {
		w := put(fmt.Sprint("/conftool/v1/a/b", i%2), fmt.Sprintf(`{"n": %d}`, i))
		writes = append(writes, w)
		s.commit(t, w)
	}
	likeEtcd(t, "waits", writes, func(t *testing.T, etcd oracle) {
		start := etcd.ask(t, http.MethodGet, "/v2/keys/conftool").parsed.Node.CreatedIndex // of the first change
		for _, target := range []string{
			"/v2/keys/conftool?recursive=true&wait=true", "/v2/keys/conftool/v1/a/b1?wait=true",
			"/v2/keys/conftool/v1/a/b1/?wait=true&recursive=true", "/v2/keys/conftool/..//conftool/v1/a?wait=true&recursive=true",
		} {
			theirs, ours := start, uint64(8192)
			for range 3 {
				a := etcd.ask(t, http.MethodGet, fmt.Sprint(target, "&waitIndex=", theirs))
				b := ask(t, http.MethodGet, s.URL, fmt.Sprint(target, "&waitIndex=", ours))
				compare(t, http.MethodGet, target, a, b)
				theirs, ours = a.parsed.Node.ModifiedIndex+1, b.parsed.Node.ModifiedIndex+1
			}
		}
	})
}

// compare reports differences, except in indexes and in the order of nodes.
func compare(t *testing.T, method, target string, theirs, ours reply) {
	t.Helper()
	if theirs.status != ours.status {
		t.Errorf("%s %s: etcd says %d %s, the gateway %d %s", method, target, theirs.status, theirs.body, ours.status, ours.body)
		return
	}
	if a, b := plain(t, theirs.body), plain(t, ours.body); a != b {
		t.Errorf("%s %s:\netcd        %s\nthe gateway %s", method, target, a, b)
	}
	for _, name := range comparedHeaders() {
		a, b := theirs.header.Get(name), ours.header.Get(name)
		same := a == b
		if strings.HasPrefix(name, "X-Etcd-") {
			same = (a == "") == (b == "") && (a == "0") == (b == "0")
		}
		if !same {
			t.Errorf("%s %s: %s: %q, the gateway %q", method, target, name, a, b)
		}
	}
}

func comparedHeaders() []string {
	return []string{"Content-Type", "X-Content-Type-Options", "X-Etcd-Index", "X-Etcd-Cluster-Id"}
}

// plain returns a body without the parts that may differ.
func plain(t *testing.T, body string) string {
	t.Helper()
	return rewritten(t, body, func(m map[string]any) {
		for _, k := range []string{"modifiedIndex", "createdIndex"} {
			if n, there := m[k]; there {
				m[k] = n != 0.0
			}
		}
		if _, failed := m["errorCode"]; failed {
			delete(m, "index")
		}
	})
}

// inOrder returns a body with all lists sorted.
func inOrder(t *testing.T, body string) string {
	t.Helper()
	return rewritten(t, body, func(map[string]any) {})
}

// rewritten returns a sorted body after do has been called for each map in it.
func rewritten(t *testing.T, body string, do func(map[string]any)) string {
	t.Helper()
	if !strings.HasPrefix(body, "{") {
		return body
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	rewrite(v, do)
	return asJSON(t, v)
}

func rewrite(v any, do func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		do(v)
		for _, inner := range v {
			rewrite(inner, do)
		}
	case []any:
		for _, inner := range v {
			rewrite(inner, do)
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}
