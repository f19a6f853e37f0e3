package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// query is a request for keys.
type query struct {
	key       string // with a leading slash and without a trailing one; empty: the root
	slash     bool   // the path had a trailing slash
	recursive bool
	wait      bool
	index     uint64 // the index to wait for; 0: the next change
	pybal     bool
}

// longest is the limit of a path. etcd allows keys up to the size of a request, but
// the keys of objects are names.
const longest = 4096

// parse parses a request for a key in its escaped form, as etcd does. A write is
// refused for any key.
func parse(r *http.Request, key string) (query, *failure) {
	q := query{pybal: strings.HasPrefix(r.UserAgent(), "PyBal/")}
	fail := q.parsePath(key)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return q, readOnly(q.key, fail)
	}
	if fail != nil {
		return q, fail
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, badRequest(codeInvalidForm, "%s", err)
	}
	return q, q.parseForm(form, r.Method)
}

func orRoot(key string) string {
	if key == "" {
		return "/"
	}
	return key
}

func (q *query) parsePath(p string) *failure {
	switch {
	case len(p) > longest:
		return &failure{status: http.StatusRequestURITooLong, code: codeInvalidField,
			cause: fmt.Sprintf("the path is longer than %d bytes", longest)}
	case !utf8.ValidString(p):
		return badRequest(codeInvalidField, "the path is not UTF-8")
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return badRequest(codeInvalidField, "the path has control characters")
	case leaves(p):
		return badRequest(codeInvalidField, `the path leaves %s: it has too many ".."`, keysPath)
	}
	q.slash = strings.HasSuffix(p, "/")
	q.key = strings.TrimSuffix(path.Clean("/"+p), "/") // the path that etcd redirects to
	return nil
}

// leaves reports whether a path below /v2/keys leaves it, even if it comes back.
func leaves(p string) bool {
	depth := 0
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// parseForm checks the parameters in the order of etcd. Parameters of writes and
// unknown parameters are ignored.
func (q *query) parseForm(form url.Values, method string) *failure {
	if v, given := form["waitIndex"]; given {
		var err error
		if q.index, err = strconv.ParseUint(v[0], 10, 64); err != nil {
			return badRequest(codeIndexNaN, `invalid value for "waitIndex"`)
		}
	}
	var quorum, stream, ignored bool
	for _, f := range []struct {
		name  string
		value *bool
	}{
		{"recursive", &q.recursive},
		{"sorted", &ignored},
		{"wait", &q.wait},
		{"dir", &ignored},
		{"quorum", &quorum},
		{"stream", &stream},
	} {
		v, given := form[f.name]
		if !given {
			continue
		}
		b, err := strconv.ParseBool(v[0])
		if err != nil {
			return badRequest(codeInvalidField, "invalid value for %q", f.name)
		}
		*f.value = b
	}
	switch {
	case q.wait && method != http.MethodGet:
		return badRequest(codeInvalidField, `"wait" can only be used with GET requests`)
	case q.wait && stream:
		return badRequest(codeInvalidField, `"stream" is not supported: ask again, with "waitIndex" one more than the modifiedIndex of what was received`)
	}
	q.wait = q.wait && !quorum // etcd then reads instead
	return nil
}
