package readers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/pkg/files"
	"github.com/conftool/confctl/pkg/store"
)

// The limits of an answer in bytes. A PyBal pool of 1,000 hosts has 100 KB.
const (
	maxReply = 1 << 20
	maxHead  = 64 << 10 // of a file; its index must be within this
)

// answer is the answer of a reader. Which field is set depends on the kind.
type answer struct {
	seen      store.Revision        // for a reader that reports an index
	index     uint64                // as reported
	pool      map[string]pybalState // for PyBal, by host
	entries   map[string]entry      // for a rendered file, by key
	addresses []address             // for DNS
	at        time.Time
	err       error // its text is safe to show
}

// asker asks readers.
type asker struct {
	ca      string // the file of certificate authorities for readers that declare none
	timeout time.Duration
}

func (a asker) ask(ctx context.Context, r Reader) (got answer) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	if r.Kind == DNS {
		got.addresses, got.err = a.lookup(ctx, r)
		return got
	}
	text, err := a.text(ctx, r)
	if err != nil {
		return answer{err: err}
	}
	switch r.Kind {
	case Rendered:
		got.entries, got.err = r.parseRendered(text)
	case PyBal:
		got.pool, got.err = parsePyBal(text)
	case MediaWiki:
		got.index, got.err = parseSiteinfo(text)
	default:
		got.index, got.err = r.findIndex(text)
	}
	if got.err == nil {
		got.seen, got.err = r.revisionOf(got.index)
	}
	return got
}

// text returns the content of the target, without a byte order mark.
func (a asker) text(ctx context.Context, r Reader) ([]byte, error) {
	var text []byte
	var err error
	switch {
	case !r.local:
		text, err = a.get(ctx, r)
	case r.Kind == File:
		text, err = a.head(ctx, r.Target, maxHead)
	default:
		if text, err = a.head(ctx, r.Target, maxReply+1); err == nil && len(text) > maxReply {
			err = fmt.Errorf("%s: it is longer than %d KiB", printable(r.Target), maxReply>>10)
		}
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), err
}

// head returns the first n bytes of a file. A file system that does not respond is
// subject to the same timeout as any other reader.
func (a asker) head(ctx context.Context, path string, n int64) ([]byte, error) {
	type outcome struct {
		text []byte
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		text, err := files.Head(path, n)
		done <- outcome{text, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fileError(path, o.err)
		}
		return o.text, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer within %v", printable(path), a.timeout)
	}
}

// fileError returns an error that names an unreadable file exactly once.
func fileError(path string, err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return errors.New(printable(err.Error()))
	}
	return fmt.Errorf("%s: %s", printable(path), printable(at.Err.Error()))
}

// revisionOf returns the revision for an index that a reader reports. An index lower
// than those of the gateway is an error, except 0, which means that the reader has
// read nothing.
func (r Reader) revisionOf(index uint64) (store.Revision, error) {
	switch {
	case r.revision:
		return store.Revision(min(index, math.MaxInt64)), nil
	case 0 < index && index < etcdindex.Last(0):
		return 0, fmt.Errorf("reports index %d, and those of the gateway begin at %d: is it a revision, or of an etcd v2?", index, etcdindex.PerRevision)
	}
	return etcdindex.Revision(index), nil
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
