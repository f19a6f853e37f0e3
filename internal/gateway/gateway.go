// Package gateway serves the read API of etcd v2 from a mirror of the store, for
// readers that support nothing else.
//
// In etcd v2, a directory is what is between two slashes of a key: here it exists
// while there are keys below it. Only keys below <namespace>/<api_version>/ are
// served, and of those only the allowed ones. A key that no path can name, because
// an element is empty, "." or "..", is not served. As in etcd, a key with an element
// that begins with _ is not listed, but can be read. If there are a key and other
// keys below it, which etcd v2 does not allow, both are listed.
//
// Indexes depend only on the store, so that a reader may switch between gateways.
// Package etcdindex defines them: the events of a revision, in key order, have its
// first indexes; a key that is read has the last index of the revision that modified
// it, and X-Etcd-Index is the last index of the store's revision. The createdIndex
// of a deleted key is the index of its deletion. Two things depend on what a gateway
// has seen: an event from before its start may lack prevNode, and a client that
// waits while everything is read again gets the differences with the revision of
// that read.
//
// A store without any served key is not trusted: clients are told that the store
// cannot be reached.
//
// A client that waits without an index waits from now on, and would lose what
// happens between two requests. One that asks again within seconds gets those
// events.
//
// Every response is of one revision: the latest that the mirror has seen. This also
// holds for quorum=true, so another reader may have seen a change some milliseconds
// earlier. Responses are always sorted.
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

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/internal/mirror"
)

// Config describes what to serve. Mirror, Namespace and APIVersion are required.
type Config struct {
	Mirror     *mirror.Mirror // must mirror at least <namespace>/<api_version>/
	Namespace  string         // such as /conftool
	APIVersion string         // such as v1

	// Allow are the keys that are served, and directories that are served with
	// everything below them, such as /conftool/v1/mediawiki-config. If it is empty,
	// everything is served.
	Allow []string
	// Machines are the URLs that /v2/machines returns to clients. If it is empty,
	// /v2/machines returns the address that the client used.
	Machines []string

	MaxWaiters int           // the limit of concurrent waiting requests; 4,096 if 0
	MaxBytes   int64         // the limit of bodies in memory, cached or being sent; 48 MiB if 0
	SendTime   time.Duration // how long a client may take to receive a response; 15 s if 0
	StaleAfter time.Duration // after how long without contact to the store responses have an AgeHeader; 5 s if 0
	Recall     time.Duration // how long to remember the last index of a client that waits without an index; 5 s if 0, never if negative

	loadPatience, settleTime time.Duration // the constants with these names if 0
}

// AgeHeader is a header of every response while the store does not respond: the time
// in seconds since the store last responded.
const AgeHeader = "X-Confctl-Age"

const (
	defaultWaiters  = 4096
	defaultBytes    = 48 << 20
	defaultSendTime = 15 * time.Second
	defaultStale    = 5 * time.Second

	// loadPatience is how long requests wait for the first view of the mirror.
	loadPatience = 300 * time.Millisecond
)

// Handler serves the API. It may be used by several servers at the same time.
type Handler struct {
	cfg     Config
	root    string // such as /conftool/v1/
	cluster string // the value of X-Etcd-Cluster-Id
	bodies  *bodies
	recall  *recall
	turn    chan struct{} // a semaphore for clients that a change wakes
	past    chan struct{} // a semaphore for clients that ask for past events

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

// outermost returns the paths that are not below another one.
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

// Close ends all waiting requests with an empty body, as etcd does. New requests to
// wait get status 503; other requests are still answered. A server should call Close
// when it begins to shut down.
func (h *Handler) Close() { h.closing.Do(func() { close(h.closed) }) }

// Stats are the counters of a handler.
type Stats struct {
	Waiting      int    // requests that are waiting now
	Reads, Waits uint64 // requests for keys without and with wait=true
	Errors       uint64 // responses to them with a status of at least 400
	Bytes        int64  // memory of bodies
}

// Stats returns the counters of the handler.
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

// belowKeys returns the part of a path after /v2/keys. Clients that concatenate URLs
// may request //v2/keys.
func belowKeys(p string) (key string, found bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(keysPath, "/"), "/") {
		p, found = strings.CutPrefix(strings.TrimLeft(p, "/"), part)
		if !found || p != "" && p[0] != '/' {
			return "", false
		}
	}
	return p, true
}

// deadline starts the time limit for sending the response. A writer that does not
// support deadlines, such as a recorder, has none.
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

// keys answers requests for everything below /v2/keys.
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
			fail.index = newest(v) // etcd includes it in errors for requests that it could parse
		}
		fail.write(w)
	}
}

// Ready returns nil if requests for keys can be answered, and otherwise the reason
// why they are refused.
func (h *Handler) Ready() error {
	if fail := h.nothing(h.cfg.Mirror.View()); fail != nil {
		return errors.New(fail.cause)
	}
	return nil
}

// nothing returns a failure if there is no view yet, or if the view is empty: a
// store with readers is never empty, and they would take that for the state of the
// site. Otherwise it returns nil.
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

// view returns the latest view, which is never empty. It waits for the first view,
// but not for long.
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

// access describes what is served at a path.
type access int

const (
	outside access = iota // never served
	denied                // not allowed
	above                 // a directory that contains everything that is allowed, or a part of it
	within                // allowed, with everything below it
)

// may returns what is served at a key or directory.
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

// lists reports whether a key is listed in a directory above it.
func (h *Handler) lists(dir, key string) bool {
	below, found := strings.CutPrefix(key, dir)
	if !found || !strings.HasPrefix(below, "/") || strings.Contains(below, "/_") || odd(below) {
		return false
	}
	return strings.HasPrefix(key, h.root) && (len(h.cfg.Allow) == 0 || h.may(key) == within)
}

// odd reports whether no path can name a key.
func odd(key string) bool {
	if !strings.Contains(key, "/.") { // fast path for nearly all keys
		return strings.HasSuffix(key, "/") || strings.Contains(key, "//")
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(key, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return true
		}
	}
	return false
}

// prefix returns the prefix that a directory has to look at. It is narrower than the
// root only if the whole directory is served.
func (h *Handler) prefix(dir string) string {
	if dir+"/" == h.root || strings.HasPrefix(dir, h.root) {
		return dir + "/"
	}
	return h.root
}

// newest returns the highest index of a view.
func newest(v *mirror.View) uint64 { return etcdindex.Last(v.Revision) }
