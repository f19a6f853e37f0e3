package readers

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/pkg/files"
)

// maxHeaders limits the headers of an HTTP response in bytes.
const maxHeaders = 64 << 10

// client returns a client that connects to the host of the URL, or to the reader's
// host if it has one; the path, the Host header and the name in the certificate are
// always those of the URL. The client uses no proxy, follows no redirects, keeps no
// connections and has no client certificate: the one for the store must not be sent
// to other servers.
func client(r Reader, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeaders,
		ForceAttemptHTTP2:      true,
	}
	if r.host != "" {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			to, err := hostPort(r.host, port)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}
}

// get makes an HTTP request. Only status 200 is an answer: a redirect leads to
// another program than the one to be checked.
func (a asker) get(ctx context.Context, r Reader) ([]byte, error) {
	ctx, naming := netcause.Trace(ctx)
	req, err := r.request(ctx)
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool // nil: those of the system
	ca := cmp.Or(r.ca, a.ca)
	if ca != "" && req.URL.Scheme == "https" {
		if roots, err = files.CertPool(ca); err != nil {
			return nil, fmt.Errorf("ca: %w", fileError(ca, err))
		}
	}
	resp, err := client(r, roots).Do(req)
	switch {
	case err != nil && naming.Unanswered():
		return nil, errors.New(netcause.NoNameServer)
	case err != nil:
		return nil, a.explain(ctx, err, ca)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch to := resp.Header.Get("Location"); {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "":
		return nil, fmt.Errorf("answers that it is at %s; give that URL, or the headers it wants", printable(to))
	case resp.StatusCode == http.StatusNotFound && r.Kind == PyBal:
		return nil, fmt.Errorf("answers %s: PyBal has no such pool, it lists those that it has at /pools", printable(resp.Status))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answers %s", printable(resp.Status))
	case err != nil && resp.Uncompressed && ctx.Err() == nil:
		return nil, errors.New("the answer is said to be compressed with gzip, and cannot be unpacked")
	case err != nil:
		return nil, fmt.Errorf("the answer is cut off after %d bytes: %w", len(text), a.explain(ctx, err, ca))
	case len(text) > maxReply:
		return nil, fmt.Errorf("the answer is longer than %d KiB", maxReply>>10)
	}
	return text, nil
}

func (r Reader) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL", printable(r.Target))
	}
	if r.Kind == MediaWiki {
		req.URL.RawQuery = strings.TrimPrefix(req.URL.RawQuery+"&"+siteinfo, "&")
	}
	req.Header.Set("User-Agent", "confctl")
	req.Header.Set("Accept", "application/json") // PyBal compares the whole header
	for name, v := range r.headers {
		if strings.EqualFold(name, "Host") {
			req.Host = v
		}
		req.Header.Set(name, v)
	}
	return req, nil
}

// explain describes in a few words why there is no answer. ca is the file of the
// certificate authorities for TLS; empty for those of the system.
func (a asker) explain(ctx context.Context, err error, ca string) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if netcause.WantsCertificate(err) {
		return errors.New("it wants a client certificate, and readers are asked without")
	}
	for _, why := range []string{netcause.Lookup(err), netcause.Certificate(err), netcause.Alert(err)} {
		if why != "" && (ctx.Err() == nil || why == netcause.NoNameServer) {
			return errors.New(printable(why))
		}
	}
	var wait net.Error
	var errno syscall.Errno
	text := err.Error()
	switch {
	case ctx.Err() != nil, errors.As(err, &wait) && wait.Timeout():
		return fmt.Errorf("no answer within %v", a.timeout)
	case errors.As(err, new(x509.UnknownAuthorityError)) && ca != "":
		return fmt.Errorf("certificate signed by none of the authorities in %s", printable(ca))
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return errors.New("certificate signed by an authority that this host does not know; name the file of a site's own with ca")
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return errors.New("the server does not speak TLS; write http:// if that is meant")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed by the server")
	case errors.As(err, &errno):
		return errors.New(errno.Error())
	// The library has no types for these errors.
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME header"):
		return errors.New("what it answers is no HTTP")
	case strings.Contains(text, "response headers exceeded"):
		return fmt.Errorf("the headers of its answer are longer than %d KiB", maxHeaders>>10)
	}
	return errors.New(printable(text))
}
