// Package gateway serves the read API of etcd v2 from a mirror of the store, for
// readers that know nothing else.
//
// A directory of etcd v2 is what lies between two slashes of our keys: it is
// there while something lies below it. Only keys below <namespace>/<api_version>/
// are served, and of those the allowed ones. A key that no path can name, since
// a part of it is empty, "." or "..", is not served. As with etcd, what has a
// part that begins with _ is not listed, but can be asked for. Should there be a
// key and others below it, which etcd v2 cannot have, both are listed.
//
// Indexes are a function of the store alone, so that a reader may go from one
// gateway to another. Package etcdindex says how: of a revision's indexes its
// events, in key order, have the first ones; a key that is read has the last one
// of the revision that modified it, and so does X-Etcd-Index with that of the
// store. The createdIndex of what was deleted is the index of its deletion. Two
// things depend on what a gateway has seen: an event from before it began may be
// without prevNode, and who waits while everything is read again is told of what
// is different by the revision of that read.
//
// A store with nothing to serve is taken for one that is not to be trusted, and
// is no answer: readers are told that it is out of reach.
//
// A client that waits without an index waits from now, and would lose what happens
// between two requests. One that asks again within seconds is told of that.
//
// All of an answer is of one revision: the latest that the mirror has seen. That
// also holds for quorum=true, so another reader may have seen a change some
// milliseconds earlier. Answers are always sorted.
package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conftool/confctl/pkg/etcdindex"
	"github.com/conftool/confctl/pkg/mirror"
)

// Config says what is served. Mirror, Namespace and APIVersion are needed.
type Config struct {
	Mirror     *mirror.Mirror // of <namespace>/<api_version>/ at least
	Namespace  string         // /conftool
	APIVersion string         // v1

	// Allow are the keys, or directories with all below them, that are served:
	// /conftool/v1/mediawiki-config. All if empty.
	Allow []string
	// Machines are the URLs that /v2/machines tells clients to use; if empty,
	// the address that the client has used.
	Machines []string

	MaxWaiters int           // requests that wait at the same time; 4,096 if 0
	MaxBytes   int64         // of bodies in memory: kept ones, and those that are being sent; 48 MiB if 0
	SendTime   time.Duration // how long a client may take to receive an answer; 15 s if 0
	StaleAfter time.Duration // from when on an answer says how old it is; 5 s if 0
	Recall     time.Duration // for how long it is known where a client stopped that waits without an index; 5 s if 0, not at all if negative

	loadPatience, settleTime time.Duration // the constants of that name if 0
}

// AgeHeader is in each answer while the store gives no sign of life, with how
// long it has not, in seconds.
const AgeHeader = "X-Confctl-Age"

const (
	defaultWaiters  = 4096
	defaultBytes    = 48 << 20
	defaultSendTime = 15 * time.Second
	defaultStale    = 5 * time.Second

	// loadPatience is for requests that come before the mirror has anything.
	loadPatience = 300 * time.Millisecond
)

// Handler serves the API. It may be used by several servers.
type Handler struct {
	cfg     Config
	root    string // /conftool/v1/
	cluster string // the value of X-Etcd-Cluster-Id
	bodies  *bodies
	recall  *recall
	turn    chan struct{} // full while one of those that a change has woken is told
	past    chan struct{} // full while one is told of what has happened before

	waiting atomic.Int64
	reads   atomic.Uint64
	waits   atomic.Uint64
	errors  atomic.Uint64

	closing sync.Once
	closed  chan struct{}
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler, or an error if the configuration serves nothing.
func New(cfg Config) (*Handler, error) {
	cfg.withDefaults()
	h := &Handler{cfg: cfg, closed: make(chan struct{}), bodies: newBodies(cfg.MaxBytes), turn: make(chan struct{}, 1), past: make(chan struct{}, 1)}
	if cfg.Namespace == "" || cfg.APIVersion == "" || cfg.Mirror == nil {
		return nil, errors.New("gateway: mirror, namespace and API version are needed")
	}
	h.recall = newRecall(cfg.Recall)
	h.root = path.Join("/", cfg.Namespace, cfg.APIVersion) + "/"
	mirrored := false
	for _, p := range cfg.Mirror.Prefixes() {
		mirrored = mirrored || strings.HasSuffix(p, "/") && strings.HasPrefix(h.root, p)
	}
	if !mirrored {
		return nil, fmt.Errorf("gateway: %s is not mirrored, only %q", h.root, cfg.Mirror.Prefixes())
	}
	h.cfg.Allow = nil
	for _, a := range cfg.Allow {
		clean := path.Clean("/" + a)
		if !strings.HasPrefix(clean+"/", h.root) {
			return nil, fmt.Errorf("allowed prefix %q is not below %s, and nothing else is served", a, h.root)
		}
		h.cfg.Allow = append(h.cfg.Allow, clean)
	}
	h.cfg.Allow = outermost(h.cfg.Allow)
	sum := sha256.Sum256([]byte(path.Join("/", cfg.Namespace)))
	h.cluster = hex.EncodeToString(sum[:8])
	return h, nil
}

// outermost are the paths that lie below no other.
func outermost(paths []string) []string {
	var out []string
	for i, p := range paths {
		inner := func(other string) bool { return strings.HasPrefix(p, other+"/") }
		if !slices.ContainsFunc(paths, inner) && !slices.Contains(paths[:i], p) {
			out = append(out, p)
		}
	}
	return out
}

func (c *Config) withDefaults() {
	c.loadPatience, c.settleTime = cmp.Or(c.loadPatience, loadPatience), cmp.Or(c.settleTime, settleTime)
	if c.MaxWaiters <= 0 {
		c.MaxWaiters = defaultWaiters
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaultBytes
	}
	if c.SendTime <= 0 {
		c.SendTime = defaultSendTime
	}
	if c.Recall == 0 {
		c.Recall = defaultRecall
	}
	if c.StaleAfter <= 0 {
		c.StaleAfter = defaultStale
	}
}

// Close ends all requests that wait, with an empty body as etcd does. New ones
// get 503; those that do not wait are answered as before. A server should call
// it when it begins to shut down.
func (h *Handler) Close() { h.closing.Do(func() { close(h.closed) }) }

// Stats is what a handler has done.
type Stats struct {
	Waiting      int    // requests that wait now
	Reads, Waits uint64 // requests for keys, without and with wait=true
	Errors       uint64 // answers to them with a status of 400 and above
	Bytes        int64  // of bodies in memory
}

// Stats says what the handler has done.
func (h *Handler) Stats() Stats {
	return Stats{
		Waiting: int(h.waiting.Load()), Reads: h.reads.Load(), Waits: h.waits.Load(),
		Errors: h.errors.Load(), Bytes: h.bodies.held.Load(),
	}
}

const (
	keysPath     = "/v2/keys"
	machinesPath = "/v2/machines"
	versionPath  = "/version"
)

// ServeHTTP never redirects.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.deadline(http.NewResponseController(w))
	if key, found := belowKeys(r.URL.Path); found {
		h.keys(w, r, key)
		return
	}
	switch r.URL.Path {
	case machinesPath:
		h.text(w, r, "text/plain; charset=utf-8", h.machines(r))
	case versionPath:
		h.text(w, r, "application/json", `{"etcdserver":"3.4.0","etcdcluster":"3.4.0"}`)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

// belowKeys returns what follows /v2/keys in a path. Who puts addresses together
// may come to //v2/keys.
func belowKeys(p string) (key string, found bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(keysPath, "/"), "/") {
		p, found = strings.CutPrefix(strings.TrimLeft(p, "/"), part)
		if !found || p != "" && p[0] != '/' {
			return "", false
		}
	}
	return p, true
}

// deadline begins the time that a client has to take what is sent. What cannot
// have one, such as a recorder, does without.
func (h *Handler) deadline(control *http.ResponseController) {
	_ = control.SetWriteDeadline(time.Now().Add(h.cfg.SendTime))
}

func (h *Handler) text(w http.ResponseWriter, r *http.Request, kind, body string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	fmt.Fprint(w, body)
}

func (h *Handler) machines(r *http.Request) string {
	if len(h.cfg.Machines) > 0 {
		return strings.Join(h.cfg.Machines, ", ")
	}
	host := r.Host
	if at, known := r.Context().Value(http.LocalAddrContextKey).(net.Addr); known && host == "" { // with HTTP/1.0
		host = at.String()
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

// keys answers everything below /v2/keys.
func (h *Handler) keys(w http.ResponseWriter, r *http.Request, key string) {
	w.Header().Set("X-Etcd-Cluster-Id", h.cluster)
	w.Header().Set("Content-Type", "application/json")
	if age, ever := h.cfg.Mirror.Age(); ever && age > h.cfg.StaleAfter {
		w.Header().Set(AgeHeader, fmt.Sprint(int64(age.Seconds())))
	}
	q, fail := parse(r, key)
	if fail == nil && q.wait {
		h.waits.Add(1)
		fail = h.wait(w, r, q)
	} else if fail == nil {
		h.reads.Add(1)
		fail = h.read(w, r, q)
	}
	if fail != nil {
		h.errors.Add(1)
		if v := h.cfg.Mirror.View(); v != nil && fail.code == codeReadOnly {
			fail.index = newest(v) // etcd says it to those that it has understood
		}
		fail.write(w)
	}
}

// Ready returns nil if there is something to answer with, else why every request
// for keys is told that the store is out of reach.
func (h *Handler) Ready() error {
	if fail := h.nothing(h.cfg.Mirror.View()); fail != nil {
		return errors.New(fail.cause)
	}
	return nil
}

// nothing is the answer from a view that has none, since there is no view yet, or
// nothing in it: that is not what a store with readers looks like, and they would
// take it for the state of the site. It is nil if there is something.
func (h *Handler) nothing(v *mirror.View) *failure {
	if v == nil {
		return unavailable("the store has not been read yet")
	}
	for range v.Under(h.root) {
		return nil
	}
	fail := unavailable("the store holds nothing below " + h.root)
	fail.index = newest(v)
	return fail
}

// view is the latest one, which there is before long if the store can be
// reached at all. There is something in it.
func (h *Handler) view(r *http.Request) (*mirror.View, *failure) {
	if h.cfg.Mirror.View() == nil {
		timer := time.NewTimer(h.cfg.loadPatience)
		defer timer.Stop()
		select {
		case <-h.cfg.Mirror.Loaded():
		case <-timer.C:
		case <-h.closed:
		case <-r.Context().Done():
		}
	}
	v := h.cfg.Mirror.View()
	return v, h.nothing(v)
}

// access is what is served at a path.
type access int

const (
	outside access = iota // nothing is ever there
	denied                // not this
	above                 // a directory above, or the one, that all lies in
	within                // all of it that there is
)

// may says what is served at a key or directory.
func (h *Handler) may(key string) access {
	switch {
	case strings.HasPrefix(h.root, key+"/"):
		return above
	case !strings.HasPrefix(key, h.root):
		return outside
	case len(h.cfg.Allow) == 0:
		return within
	}
	for _, a := range h.cfg.Allow {
		switch {
		case key == a || strings.HasPrefix(key, a+"/"):
			return within
		case strings.HasPrefix(a, key+"/"):
			return above
		}
	}
	return denied
}

// lists reports whether a key is listed in a directory, which is above it then.
func (h *Handler) lists(dir, key string) bool {
	below, found := strings.CutPrefix(key, dir)
	if !found || !strings.HasPrefix(below, "/") || strings.Contains(below, "/_") || odd(below) {
		return false
	}
	return strings.HasPrefix(key, h.root) && (len(h.cfg.Allow) == 0 || h.may(key) == within)
}

// odd reports a key that no path can name.
func odd(key string) bool {
	if !strings.Contains(key, "/.") { // nearly all
		return strings.HasSuffix(key, "/") || strings.Contains(key, "//")
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(key, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return true
		}
	}
	return false
}

// prefix is what to look below for a directory: less than all only if all of
// it is served.
func (h *Handler) prefix(dir string) string {
	if dir+"/" == h.root || strings.HasPrefix(dir, h.root) {
		return dir + "/"
	}
	return h.root
}

// newest is the highest index that a view knows of.
func newest(v *mirror.View) uint64 { return etcdindex.Last(v.Revision) }
