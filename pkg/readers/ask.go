package readers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/etcdindex"
	"github.com/conftool/confctl/pkg/netcause"
	"github.com/conftool/confctl/pkg/store"
)

// The bounds of what a reader says. A PyBal pool of 1,000 hosts has 100 KB.
const (
	maxReply  = 1 << 20
	maxHeader = 64 << 10 // of a file, where its index has to be

	maxHeaders = 64 << 10 // of an answer over HTTP
)

// answer is what a reader says, by its kind.
type answer struct {
	seen      store.Revision        // of one that reports an index
	index     uint64                // as reported
	hosts     map[string]pybalState // of PyBal
	entries   map[string]entry      // of a rendered file, by key
	addresses []address             // of DNS
	at        time.Time
	err       error // its text is fit to be shown
}

// asker asks readers.
type asker struct {
	clients map[string]client // by the file of authorities
	timeout time.Duration
}

func (a asker) ask(ctx context.Context, r Reader) answer {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	switch r.Kind {
	case MediaWiki:
		text, err := a.get(ctx, siteinfoURL(r.Target), r)
		return indexAnswer(r, text, err, parseSiteinfo)
	case Index:
		text, err := a.get(ctx, r.Target, r)
		return indexAnswer(r, text, err, r.findIndex)
	case File:
		text, err := a.read(ctx, r.Target, maxHeader)
		return indexAnswer(r, text, err, r.findIndex)
	case Rendered:
		text, err := a.wholeText(ctx, r)
		if err != nil {
			return answer{err: err}
		}
		entries, err := r.parseRendered(text)
		return answer{entries: entries, err: err}
	case PyBal:
		text, err := a.get(ctx, r.Target, r)
		if err != nil {
			return answer{err: err}
		}
		hosts, err := parsePyBal(text)
		return answer{hosts: hosts, err: err}
	case DNS:
		addresses, err := a.lookup(ctx, r)
		return answer{addresses: addresses, err: err}
	}
	return answer{err: fmt.Errorf("nobody knows how to ask a reader of kind %s", r.Kind)}
}

func indexAnswer(r Reader, text []byte, err error, find func([]byte) (uint64, error)) answer {
	if err != nil {
		return answer{err: err}
	}
	index, err := find(text)
	if err != nil {
		return answer{err: err}
	}
	if r.revision {
		return answer{seen: store.Revision(min(index, math.MaxInt64)), index: index}
	}
	if 0 < index && index < etcdindex.Last(0) { // 0 is that of one that has read nothing
		return answer{err: fmt.Errorf("reports index %d, and those of the gateway begin at %d: is it a revision, or of an etcd v2?", index, etcdindex.PerRevision)}
	}
	return answer{seen: etcdindex.Revision(index), index: index}
}

// get asks over HTTP. Nothing but 200 is an answer: who redirects is not the
// one that was meant.
func (a asker) get(ctx context.Context, url string, r Reader) ([]byte, error) {
	client := a.clients[r.ca]
	if client.err != nil && isHTTPS(url) {
		return nil, client.err
	}
	ctx, naming := netcause.Trace(ctx)
	req, err := request(ctx, url, r)
	if err != nil {
		return nil, err
	}
	if r.host != "" {
		client = client.to(r.host)
	}
	resp, err := client.Do(req)
	switch {
	case err != nil && naming.Unanswered():
		return nil, errors.New(netcause.NoNameServer)
	case err != nil:
		return nil, a.explain(ctx, err, client.ca)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
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
		return nil, fmt.Errorf("the answer is cut off after %d bytes: %w", len(text), a.explain(ctx, err, client.ca))
	case len(text) > maxReply:
		return nil, fmt.Errorf("the answer is longer than %d KiB", maxReply>>10)
	}
	return withoutBOM(text), nil
}

// withoutBOM is a text without the byte order mark that editors of some systems
// put in front.
func withoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) }

func request(ctx context.Context, url string, r Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL", printable(url))
	}
	req.Header.Set("User-Agent", "confctl")
	req.Header.Set("Accept", "application/json") // PyBal compares the whole of it
	for name, v := range r.headers {
		if strings.EqualFold(name, "Host") {
			req.Host = v
		}
		req.Header.Set(name, v)
	}
	return req, nil
}

// read reads the beginning of a file, but waits no longer for a file system that
// does not answer than for any other reader.
func (a asker) read(ctx context.Context, path string, most int64) ([]byte, error) {
	type outcome struct {
		text []byte
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		text, err := readFile(path, most)
		done <- outcome{withoutBOM(text), err}
	}()
	select {
	case o := <-done:
		return o.text, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer within %v", printable(path), a.timeout)
	}
}

// wholeText is all of a file, here or over HTTP.
func (a asker) wholeText(ctx context.Context, r Reader) ([]byte, error) {
	if !r.local {
		return a.get(ctx, r.Target, r)
	}
	text, err := a.read(ctx, r.Target, maxReply+1)
	if err == nil && len(text) > maxReply {
		err = fmt.Errorf("%s: it is longer than %d KiB", printable(r.Target), maxReply>>10)
	}
	return text, err
}

// readFile reads a file, up to so many bytes. One that is no regular file could
// keep whoever reads it waiting.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", printable(path))
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fileError(path, err)
	}
	return text, nil
}

// findIndex finds the index in a text.
func (r Reader) findIndex(text []byte) (uint64, error) {
	number := strings.TrimSpace(string(text))
	if r.pattern != nil {
		m := r.pattern.FindSubmatch(text)
		if m == nil {
			return 0, fmt.Errorf("nothing in it matches %s", printable(r.pattern.String()))
		}
		number = string(m[1])
	}
	return parseIndex(number)
}

func parseIndex(number string) (uint64, error) {
	index, err := strconv.ParseUint(number, 10, 64)
	if err != nil && strings.HasPrefix(number, "<") {
		return 0, errors.New("answers with a web page, and not with an index alone; MediaWiki is asked at its api.php")
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no index", printable(number))
	}
	return index, nil
}
