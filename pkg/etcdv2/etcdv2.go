// Package etcdv2 reads keys from the v2 API of etcd, where the Python tool
// keeps them. It only reads: moving in needs no more.
//
// The v2 keys are a store of their own beside those of etcd v3: a server that
// serves both keeps them apart, users and passwords included.
package etcdv2

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/conftool/confctl/pkg/netcause"
	"github.com/conftool/confctl/pkg/store"
)

// Config is where the API is, and as whom to ask it.
type Config struct {
	// URL is that of the API: https://host:port, with or without a path. /v2
	// is added to it unless it ends so. It holds no user and no password.
	URL                string
	Username, Password string
	TLS                *tls.Config   // nil: the system's authorities, and no client certificate
	Timeout            time.Duration // of the whole request; 0: 30 s
}

// Keys is what a tree of keys held at one moment.
type Keys struct {
	Index   uint64        // of the latest change of etcd's at that time (X-Etcd-Index); 0 if a proxy held it back
	Entries []store.Entry // in key order, each once; keys as stored, with the leading slash
}

// The bounds of a reply. Production sites have about 1 MB of keys.
const (
	maxReply = 256 << 20
	maxDepth = 100 // of directories
)

const defaultTimeout = 30 * time.Second

// Read returns all keys below a prefix, a directory such as /conftool/v1, at one
// moment, by one request that goes through etcd's quorum. Created and Modified
// of an entry are its createdIndex and modifiedIndex.
//
// Directories are no keys: an empty one is not to be seen. Nor are hidden keys,
// those with a part that begins with _, which etcd lists to nobody. Values are
// text: etcd itself has replaced bytes that are no UTF-8, by U+FFFD.
//
// A redirect is followed, but never to another server with a password, and
// never from https to http. The proxy of the environment is used, as
// net/http.ProxyFromEnvironment says.
//
// Errors: *Error, or the context's own if it was cancelled.
func Read(ctx context.Context, cfg Config, prefix string) (Keys, error) {
	api, err := parseURL(cfg)
	if err != nil {
		return Keys{}, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	r := &reader{cfg: cfg, api: api, prefix: path.Clean("/" + prefix), proxy: http.ProxyFromEnvironment, limit: maxReply}
	return r.read(ctx)
}

// reader is one Read.
type reader struct {
	cfg    Config
	api    *url.URL // of the API, with /v2
	prefix string   // clean
	proxy  func(*http.Request) (*url.URL, error)
	limit  int64
}

func (r *reader) read(ctx context.Context) (Keys, error) {
	within := r.cfg.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline).Round(time.Millisecond))
	}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	keys, err := r.ask(limited)
	switch {
	case err == nil:
		return keys, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return Keys{}, ctx.Err()
	}
	return Keys{}, r.explain(err, within)
}

// ask makes the request. Its errors are *Error where it knows what they mean.
func (r *reader) ask(ctx context.Context) (Keys, error) {
	ctx, naming := netcause.Trace(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.target(), http.NoBody)
	if err != nil {
		return Keys{}, err
	}
	req.Header.Set("User-Agent", "confctl")
	if r.cfg.Username != "" {
		req.SetBasicAuth(r.cfg.Username, r.cfg.Password)
	}
	transport := r.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: r.checkRedirect}
	resp, err := client.Do(req)
	switch {
	case err != nil && naming.Unanswered():
		return Keys{}, r.errorf(Unavailable, "is the URL right, and is the name server up?", "%s", netcause.NoNameServer)
	case err != nil:
		return Keys{}, inTime(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it is of use
	body := &counted{from: resp.Body, left: r.limit}
	if resp.StatusCode != http.StatusOK {
		return Keys{}, r.refused(resp, body)
	}
	index, err := indexOf(resp.Header)
	if err != nil {
		return Keys{}, r.foreign(resp, err)
	}
	entries, err := decode(body, r.prefix)
	if err != nil {
		return Keys{}, r.unreadable(resp, body, inTime(ctx, err))
	}
	return Keys{Index: index, Entries: entries}, nil
}

// inTime returns an error, or that the time has ended if that broke the
// connection: which of the two the library says is a matter of luck.
func inTime(ctx context.Context, err error) error {
	if ctx.Err() != nil && isBroken(err) {
		return ctx.Err()
	}
	return err
}

// target is the URL of the request.
func (r *reader) target() string {
	u := *r.api
	u.Path += path.Join("/keys", r.prefix)
	u.RawQuery = "recursive=true&quorum=true&sorted=true"
	return u.String()
}

// transport speaks HTTP/1.1, as all clients of the v2 API do. Nothing in it
// waits longer than the request.
func (r *reader) transport() *http.Transport {
	t := &http.Transport{
		Proxy:                  r.proxy,
		OnProxyConnectResponse: refusedByProxy,
		TLSClientConfig:        r.cfg.TLS.Clone(),
		Protocols:              new(http.Protocols),
		DisableKeepAlives:      true, // one request is all there is
		MaxResponseHeaderBytes: 64 << 10,
	}
	t.Protocols.SetHTTP1(true)
	return t
}

func indexOf(h http.Header) (uint64, error) {
	text := h.Get("X-Etcd-Index")
	if text == "" {
		return 0, nil
	}
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, shapef("X-Etcd-Index is %q", excerpt(text))
	}
	return index, nil
}
