// Package etcdv2 reads keys from the v2 API of etcd, where the Python tool stores
// them. It only reads, which is sufficient for a migration.
//
// The v2 keys are separate from those of etcd v3: a server that serves both has
// separate keys, users and passwords for them.
package etcdv2

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/pkg/store"
)

// Config is the address of the API, and the credentials for it.
type Config struct {
	// URL is the URL of the API: https://host:port, with or without a path. /v2 is
	// appended unless it already ends in it. It must not contain a user or password.
	URL                string
	Username, Password string
	TLS                *tls.Config   // nil: the certificate authorities of the system, and no client certificate
	Timeout            time.Duration // limit of the whole request; 0: 30 s
}

// maxReply is the limit of a reply, in bytes. Production sites have about 1 MB of
// keys.
const maxReply = 256 << 20

const defaultTimeout = 30 * time.Second

// Read returns all keys below a prefix, a directory such as /conftool/v1, at one
// point in time, with one request that goes through etcd's quorum. The entries are
// in key order, each key once and as stored, with the leading slash. Created and
// Modified are its createdIndex and modifiedIndex.
//
// Directories are not keys, so empty directories are not returned. Neither are
// hidden keys, which have an element that begins with _: etcd never lists them.
// Values are text: etcd itself has replaced bytes that are not UTF-8 by U+FFFD.
//
// A redirect is followed, but never to another server with a password, and never
// from https to http. The proxy of the environment is used, as described in
// net/http.ProxyFromEnvironment.
//
// Errors are *Error, or the error of the context if it was cancelled.
func Read(ctx context.Context, cfg Config, prefix string) ([]store.Entry, error) {
	api, err := parseURL(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	r := &reader{cfg: cfg, api: api, prefix: path.Clean("/" + prefix), proxy: http.ProxyFromEnvironment, limit: maxReply}
	return r.read(ctx)
}

// reader performs one Read.
type reader struct {
	cfg    Config
	api    *url.URL // of the API, with /v2
	prefix string   // clean
	proxy  func(*http.Request) (*url.URL, error)
	limit  int64
}

func (r *reader) read(ctx context.Context) ([]store.Entry, error) {
	within := r.cfg.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline).Round(time.Millisecond))
	}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	keys, err := r.ask(limited)
	var known *Error
	switch {
	case err == nil:
		return keys, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case errors.As(err, &known):
		return nil, known
	case limited.Err() != nil: // the error of the library varies in this case
		return nil, r.errorf(Unavailable, "is it up, and is there a firewall in between?", "no complete answer within %v", within).of(context.DeadlineExceeded)
	}
	return nil, r.unreachable(err)
}

// ask sends the request. Its errors are *Error if their cause is recognized.
func (r *reader) ask(ctx context.Context) ([]store.Entry, error) {
	ctx, naming := netcause.Trace(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.target(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "confctl")
	if r.cfg.Username != "" {
		req.SetBasicAuth(r.cfg.Username, r.cfg.Password)
	}
	client := &http.Client{Transport: r.transport(), CheckRedirect: r.checkRedirect}
	resp, err := client.Do(req)
	switch {
	case err != nil && naming.Unanswered():
		return nil, r.errorf(Unavailable, "is the URL right, and is the name server up?", "%s", netcause.NoNameServer)
	case err != nil:
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return nil, r.refused(resp)
	}
	return r.keys(ctx, resp)
}

// keys reads a reply that contains keys.
func (r *reader) keys(ctx context.Context, resp *http.Response) ([]store.Entry, error) {
	body := &io.LimitedReader{R: resp.Body, N: r.limit + 1}
	entries, err := decode(body, r.prefix)
	var (
		syntax *json.SyntaxError
		shape  *shapeError
	)
	switch got := r.limit + 1 - body.N; {
	case err == nil:
		return entries, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errNotDirectory):
		return nil, r.errorf(Absent, isNamed, "%s is a key, not a directory", r.prefix)
	case body.N == 0:
		return nil, r.errorf(Foreign, notEtcd, "the answer is longer than %d MiB", r.limit>>20)
	case errors.As(err, &syntax):
		return nil, r.foreign(resp, fmt.Errorf("not JSON at byte %d", syntax.Offset))
	case errors.As(err, &shape):
		return nil, r.foreign(resp, shape)
	case resp.ContentLength > 0:
		return nil, r.errorf(Unavailable, isCut, "the answer is cut off after %d bytes of %d", got, resp.ContentLength).of(err)
	default:
		return nil, r.errorf(Unavailable, isCut, "the answer is cut off after %d bytes", got).of(err)
	}
}

// target returns the URL of the request.
func (r *reader) target() string {
	u := *r.api
	u.Path += path.Join("/keys", r.prefix)
	u.RawQuery = "recursive=true&quorum=true&sorted=true"
	return u.String()
}

// transport returns an HTTP/1.1 transport, which all clients of the v2 API use. None
// of its timeouts is longer than that of the request.
func (r *reader) transport() *http.Transport {
	t := &http.Transport{
		Proxy:                  r.proxy,
		TLSClientConfig:        r.cfg.TLS.Clone(),
		Protocols:              new(http.Protocols),
		DisableKeepAlives:      true, // only one request is sent
		MaxResponseHeaderBytes: 64 << 10,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return r.errorf(Unavailable, proxies, "the proxy refuses to connect: %s", r.excerpt(resp.Status))
			}
			return nil
		},
	}
	t.Protocols.SetHTTP1(true)
	return t
}
