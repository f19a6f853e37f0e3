package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/etcdv2/etcdv2test"
	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// TestLikeEtcd sends the same requests to a gateway and to an etcd that serves
// the v2 API, with the same keys.
func TestLikeEtcd(t *testing.T) {
	t.Parallel()
	real := etcdv2test.Start(t)
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
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
		real.Put(t, k, keys[k])
		writes = append(writes, put(k, keys[k]))
	}
	s.commit(t, writes...)
	paths := []string{"", "/", "/conftool", "/conftool/", "/nope", "/conftool/nope/x/y", "/conftool/v2", "/conftool%2Fv1"}
	for k := range keys {
		for parts := strings.Split(k, "/"); len(parts) > 2; parts = parts[:len(parts)-1] {
			p := strings.TrimPrefix(escaped(strings.Join(parts, "/")), "/v2/keys")
			paths = append(paths, p, p+"/", p+"/below", p+"x")
		}
	}
	slices.Sort(paths)
	queries := []string{
		"", "?recursive=true", "?recursive=false&sorted=true", "?recursive=1&quorum=true", "?unknown=x", "?waitIndex=3",
		"?quorum=true&wait=true", "?recursive=&x=y", "?recursive=yes", "?sorted=2", "?quorum=x", "?wait=x", "?dir=x",
		"?waitIndex=-1", "?waitIndex=x&recursive=x", "?wait=true&waitIndex=1e3", "?%zz", "?a;b=c", "?recursive=true&recursive=x",
	}
	n := 0
	for _, p := range slices.Compact(paths) {
		for _, q := range queries {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				target := "/v2/keys" + p + q
				compare(t, method, target, ask(t, method, real.URL, target), ask(t, method, s.URL, target))
				n++
			}
		}
	}
	for _, target := range []string{"/", "/v2", "/v2/", "/v2/keysx", "/v2/machines/", "/version/", "/versions"} {
		compare(t, http.MethodGet, target, ask(t, http.MethodGet, real.URL, target), ask(t, http.MethodGet, s.URL, target))
	}
	target := "/v2/keys/conftool?wait=true"
	compare(t, http.MethodHead, target, ask(t, http.MethodHead, real.URL, target), ask(t, http.MethodHead, s.URL, target))
	// Of all writes, this is the one that etcd refuses like this, but with 400.
	theirs, ours := ask(t, http.MethodPut, real.URL, "/v2/keys"), ask(t, http.MethodPut, s.URL, "/v2/keys")
	theirs.status = http.StatusForbidden
	compare(t, http.MethodPut, "/v2/keys", theirs, ours)
	t.Logf("%d requests", n)
}

// TestWaitLikeEtcd makes the same changes in both, and follows them.
func TestWaitLikeEtcd(t *testing.T) {
	t.Parallel()
	real := etcdv2test.Start(t)
	s := serve(t, openLocal(t), Config{}, mirror.Config{})
	start := uint64(0)
	for i := range 6 {
		key, value := fmt.Sprint("/conftool/v1/a/b", i%2), fmt.Sprintf(`{"n": %d}`, i)
		real.Put(t, key, value)
		s.commit(t, put(key, value))
		if i == 0 {
			start = ask(t, http.MethodGet, real.URL, "/v2/keys"+key).parsed.Node.ModifiedIndex
		}
	}
	for _, target := range []string{"/v2/keys/conftool?recursive=true&wait=true", "/v2/keys/conftool/v1/a/b1?wait=true", "/v2/keys/conftool/v1/a/b1/?wait=true&recursive=true"} {
		theirs, ours := start, uint64(8192)
		for range 3 {
			a := ask(t, http.MethodGet, real.URL, fmt.Sprint(target, "&waitIndex=", theirs))
			b := ask(t, http.MethodGet, s.URL, fmt.Sprint(target, "&waitIndex=", ours))
			compare(t, http.MethodGet, target, a, b)
			theirs, ours = a.parsed.Node.ModifiedIndex+1, b.parsed.Node.ModifiedIndex+1
		}
	}
}

// compare reports what differs, but for indexes and the order of nodes.
func compare(t *testing.T, method, target string, theirs, ours reply) {
	t.Helper()
	if theirs.status != ours.status {
		t.Errorf("%s %s: etcd says %d %s, the gateway %d %s", method, target, theirs.status, theirs.body, ours.status, ours.body)
		return
	}
	if a, b := plain(t, theirs.body), plain(t, ours.body); a != b {
		t.Errorf("%s %s:\netcd        %s\nthe gateway %s", method, target, a, b)
	}
	for _, name := range []string{"Content-Type", "X-Content-Type-Options"} {
		if a, b := theirs.header.Get(name), ours.header.Get(name); a != b {
			t.Errorf("%s %s: %s: %q, the gateway %q", method, target, name, a, b)
		}
	}
	for _, name := range []string{"X-Etcd-Index", "X-Etcd-Cluster-Id"} {
		if a, b := theirs.header.Get(name), ours.header.Get(name); (a == "") != (b == "") || (a == "0") != (b == "0") {
			t.Errorf("%s %s: %s: %q, the gateway %q", method, target, name, a, b)
		}
	}
}

// plain is a body without what may differ.
func plain(t *testing.T, body string) string {
	t.Helper()
	if !strings.HasPrefix(body, "{") {
		return body
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return asJSON(t, normal(v))
}

func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range []string{"modifiedIndex", "createdIndex", "index"} {
			if n, there := v[k]; there {
				v[k] = n != 0.0
			}
		}
		for k := range v {
			v[k] = normal(v[k])
		}
		if _, failed := v["errorCode"]; failed {
			delete(v, "index")
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// FuzzString compares with the encoder that etcd uses.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", `a"\`, "\x00\x1f\x7f\n\r\t\b\f", "<>&", "é\u2028\u2029\ufffd", "\xff\xc3", "a\xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString(nil, s)
		var back, want string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if err := json.Unmarshal([]byte(asJSON(t, s)), &want); err != nil {
			t.Fatal(err)
		}
		if back != want || string(appendString(nil, []byte(s))) != string(got) {
			t.Fatalf("%q became %q, want %q", s, back, want)
		}
	})
}
